# The convolutional network with cross-entropy, as 1.6 wrote it: name scopes, layers named by strings.
import gzip
import json
import random

import numpy as np
import paddle
import paddle.fluid as fluid
from paddle.fluid.dygraph.nn import FC, Conv2D, Pool2D

EPOCH_NUM = 1
IMAGES = 4000


def load_data(mode='train'):
    data = json.load(gzip.open('/home/aistudio/work/mnist.json.gz'))
    train_set, val_set, eval_set = data
    if mode == 'train':
        imgs, labels = train_set[0], train_set[1]
    elif mode == 'eval':
        imgs, labels = eval_set[0], eval_set[1]
    imgs, labels = imgs[0:IMAGES], labels[0:IMAGES]
    imgs_length = len(imgs)
    assert len(imgs) == len(labels)
    index_list = list(range(imgs_length))

    def data_generator():
        if mode == 'train':
            random.shuffle(index_list)
        imgs_list = []
        labels_list = []
        for i in index_list:
            img = np.array(imgs[i]).reshape(1, 28, 28).astype(np.float32)
            label = np.array([labels[i]]).astype(np.int)
            imgs_list.append(img)
            labels_list.append(label)
            if len(imgs_list) == 100:
                yield np.array(imgs_list), np.array(labels_list)
                imgs_list = []
                labels_list = []
        if len(imgs_list) > 0:
            yield np.array(imgs_list), np.array(labels_list)
    return data_generator


class MNIST(fluid.dygraph.Layer):
    def __init__(self, name_scope):
        super(MNIST, self).__init__(name_scope)
        self.conv1 = Conv2D(self.full_name(), num_filters=20, filter_size=5, stride=1, padding=2, act="relu")
        self.pool1 = Pool2D(self.full_name(), pool_size=2, pool_stride=2, pool_type='max')
        self.conv2 = fluid.dygraph.Conv2D("conv", num_filters=20, filter_size=5, stride=1, padding=2, act="relu")
        self.pool2 = Pool2D(self.full_name(), pool_size=2, pool_stride=2, pool_type='max')
        self.fc = FC(self.full_name(), size=10, act='softmax')

    def train_parameters(self):
        return self.parameters()

    def forward(self, inputs, label=None):
        x = self.conv1(inputs)
        x = self.pool1(x)
        x = self.conv2(x)
        x = self.pool2(x)
        x = self.fc(x)
        if label is not None:
            acc = fluid.layers.accuracy(input=x, label=label)
            return x, acc
        return x


with fluid.dygraph.guard():
    random.seed(1)
    fluid.default_startup_program().random_seed = 1
    model = MNIST("mnist")
    model.train()
    train_loader = load_data('train')
    optimizer = fluid.optimizer.MomentumOptimizer(learning_rate=0.01, momentum=0.9)
    for epoch_id in range(EPOCH_NUM):
        for batch_id, data in enumerate(train_loader()):
            image_data, label_data = data
            image = fluid.dygraph.to_variable(image_data)
            label = fluid.dygraph.to_variable(label_data)
            label.stop_gradient = True
            predict, avg_acc = model(image, label)
            loss = fluid.layers.cross_entropy(predict, label)
            avg_loss = fluid.layers.mean(loss)
            if batch_id % 10 == 0:
                print("epoch: {}, batch: {}, loss is: {}, acc is {}".format(
                    epoch_id, batch_id, avg_loss.numpy(), avg_acc.numpy()))
            avg_loss.backward()
            optimizer.minimize(avg_loss, parameter_list=model.train_parameters())
            model.clear_gradients()
    fluid.save_dygraph(model.state_dict(), 'mnist')

with fluid.dygraph.guard():
    model = MNIST("mnist")
    params_file_path = 'mnist'
    model(fluid.dygraph.to_variable(np.zeros([1, 1, 28, 28], 'float32')))
    model_dict, _ = fluid.load_dygraph(params_file_path)
    model.load_dict(model_dict)
    model.eval()
    acc_set = []
    for batch_id, data in enumerate(load_data('eval')()):
        img = fluid.dygraph.to_variable(data[0])
        label = fluid.dygraph.to_variable(data[1])
        prediction, acc = model(img, label)
        acc_set.append(float(acc.numpy()))
    print('accuracy: {}'.format(np.array(acc_set).mean()))
