# The fully connected network with square error, as 1.6 wrote it: FC with a name scope, parameters left to the optimizer.
import random
import json
import gzip
import numpy as np
import paddle
import paddle.fluid as fluid
from paddle.fluid.dygraph.nn import FC

EPOCH_NUM = 1
IMAGES = 10000


def load_data(mode='train'):
    data = json.load(gzip.open('./work/mnist.json.gz'))
    train_set, val_set, eval_set = data
    if mode == 'train':
        imgs, labels = train_set[0][:IMAGES], train_set[1][:IMAGES]
    elif mode == 'valid':
        imgs, labels = val_set
    else:
        imgs, labels = eval_set
    imgs_length = len(imgs)
    assert len(imgs) == len(labels), "length of train_imgs({}) should be the same as train_labels({})".format(
        len(imgs), len(labels))
    index_list = list(range(imgs_length))

    def data_generator():
        if mode == 'train':
            random.shuffle(index_list)
        imgs_list = []
        labels_list = []
        for i in index_list:
            img = np.reshape(imgs[i], [1, 28, 28]).astype('float32')
            label = np.reshape(labels[i], [1]).astype('float32')
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
        name_scope = self.full_name()
        self.fc1 = FC(name_scope, size=10, act='sigmoid')
        self.fc2 = FC(name_scope, size=10, act='sigmoid')
        self.fc3 = FC(name_scope, size=1, act=None)

    def forward(self, inputs, label=None):
        outputs1 = self.fc1(inputs)
        outputs2 = self.fc2(outputs1)
        outputs_final = self.fc3(outputs2)
        return outputs_final


with fluid.dygraph.guard():
    random.seed(1)
    fluid.default_startup_program().random_seed = 1
    model = MNIST("mnist")
    model.train()
    train_loader = load_data('train')
    optimizer = fluid.optimizer.SGDOptimizer(learning_rate=0.01)
    for epoch_id in range(EPOCH_NUM):
        for batch_id, data in enumerate(train_loader()):
            image_data, label_data = data
            image = fluid.dygraph.to_variable(image_data)
            label = fluid.dygraph.to_variable(label_data)
            predict = model(image)
            loss = fluid.layers.square_error_cost(predict, label)
            avg_loss = fluid.layers.mean(loss)
            if batch_id % 20 == 0:
                print("epoch: {}, batch: {}, loss is: {}".format(epoch_id, batch_id, avg_loss.numpy()))
            avg_loss.backward()
            optimizer.minimize(avg_loss)
            model.clear_gradients()

    model.eval()
    right = total = 0
    for image_data, label_data in load_data('eval')():
        predict = model(fluid.dygraph.to_variable(image_data)).numpy()
        right += (np.clip(np.round(predict), 0, 9) == label_data).sum()
        total += len(label_data)
    print("accuracy: %.4f" % (float(right) / total))
    fluid.save_dygraph(model.state_dict(), 'mnist')
