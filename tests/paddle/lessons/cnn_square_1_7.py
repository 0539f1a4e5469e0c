# The convolutional network with square error, as 1.7 wrote it: layers from fluid.dygraph, parameter_list given.
import gzip
import json
import random

import numpy as np
import paddle.fluid as fluid

EPOCH_NUM = 1
IMAGES = 5000


def load_data(mode='train'):
    with gzip.open('./work/mnist.json.gz', 'rt') as f:
        data = json.load(f)
    train_set, val_set, eval_set = data
    imgs, labels = {'train': train_set, 'valid': val_set, 'eval': eval_set}[mode]
    imgs, labels = imgs[:IMAGES], labels[:IMAGES]
    assert len(imgs) == len(labels)
    index_list = list(range(len(imgs)))

    def data_generator():
        if mode == 'train':
            random.shuffle(index_list)
        imgs_list, labels_list = [], []
        for i in index_list:
            imgs_list.append(np.reshape(imgs[i], [1, 28, 28]).astype('float32'))
            labels_list.append(np.reshape(labels[i], [1]).astype('float32'))
            if len(imgs_list) == 100:
                yield np.array(imgs_list), np.array(labels_list)
                imgs_list, labels_list = [], []
        if len(imgs_list) > 0:
            yield np.array(imgs_list), np.array(labels_list)
    return data_generator


class MNIST(fluid.dygraph.Layer):
    def __init__(self):
        super(MNIST, self).__init__()
        self.conv1 = fluid.dygraph.Conv2D(num_channels=1, num_filters=20, filter_size=5, stride=1, padding=2, act="relu")
        self.pool1 = fluid.dygraph.Pool2D(pool_size=2, pool_stride=2, pool_type='max')
        self.conv2 = fluid.dygraph.Conv2D(num_channels=20, num_filters=20, filter_size=5, stride=1, padding=2, act="relu")
        self.pool2 = fluid.dygraph.Pool2D(pool_size=2, pool_stride=2, pool_type='max')
        self.linear = fluid.dygraph.Linear(980, 1, act=None)

    def forward(self, inputs):
        x = self.conv1(inputs)
        x = self.pool1(x)
        x = self.conv2(x)
        x = self.pool2(x)
        x = fluid.layers.reshape(x, [x.shape[0], -1])
        x = self.linear(x)
        return x


with fluid.dygraph.guard(fluid.CPUPlace()):
    random.seed(1)
    fluid.default_startup_program().random_seed = 1
    model = MNIST()
    model.train()
    train_loader = load_data('train')
    optimizer = fluid.optimizer.SGD(learning_rate=0.01, parameter_list=model.parameters())
    for epoch_id in range(EPOCH_NUM):
        for batch_id, (image_data, label_data) in enumerate(train_loader()):
            image = fluid.dygraph.to_variable(image_data)
            label = fluid.dygraph.to_variable(label_data)
            predict = model(image)
            loss = fluid.layers.square_error_cost(predict, label)
            avg_loss = fluid.layers.mean(loss)
            if batch_id % 20 == 0:
                print("epoch: %d, batch: %d, loss is: %f" % (epoch_id, batch_id, avg_loss.numpy()))
            avg_loss.backward()
            optimizer.minimize(avg_loss)
            model.clear_gradients()
    model.eval()
    rights = []
    for image_data, label_data in load_data('eval')():
        predict = model(fluid.dygraph.to_variable(image_data)).numpy()
        rights.append((np.clip(np.round(predict), 0, 9) == label_data).astype('float').mean())
    print("accuracy: {}".format(np.mean(rights)))
    fluid.save_dygraph(model.state_dict(), 'mnist')
