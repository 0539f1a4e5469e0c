# -*- coding: utf-8 -*-
"""Data parallel, to be started by the launcher; the spelling of 1.7 and 1.8."""
import gzip
import json
import random

import numpy as np
import paddle
import paddle.fluid as fluid
from paddle.fluid.dygraph.nn import Conv2D, Linear, Pool2D

EPOCH_NUM = 1
IMAGES = 4000


def load_data(mode='train'):
    with gzip.open('./work/mnist.json.gz', 'rb') as f:
        train_set, val_set, eval_set = json.load(f)
    imgs, labels = train_set if mode == 'train' else eval_set
    imgs, labels = imgs[:IMAGES], labels[:IMAGES]
    assert len(imgs) == len(labels)
    index_list = list(range(len(imgs)))

    def data_generator():
        if mode == 'train':
            random.shuffle(index_list)
        imgs_list, labels_list = [], []
        for i in index_list:
            imgs_list.append(np.array(imgs[i]).reshape([1, 28, 28]).astype('float32'))
            labels_list.append(np.array(labels[i]).reshape([1]).astype('int64'))
            if len(imgs_list) == 100:
                yield np.array(imgs_list), np.array(labels_list)
                imgs_list, labels_list = [], []
        if len(imgs_list) > 0:
            yield np.array(imgs_list), np.array(labels_list)
    return data_generator


class MNIST(fluid.dygraph.Layer):
    def __init__(self):
        super(MNIST, self).__init__()
        self.conv1 = Conv2D(num_channels=1, num_filters=20, filter_size=5, stride=1, padding=2, act="relu")
        self.pool1 = Pool2D(pool_size=2, pool_stride=2, pool_type='max')
        self.conv2 = Conv2D(num_channels=20, num_filters=20, filter_size=5, stride=1, padding=2, act="relu")
        self.pool2 = Pool2D(pool_size=2, pool_stride=2, pool_type='max')
        self.fc = Linear(input_dim=980, output_dim=10, act='softmax')

    def forward(self, inputs):
        x = self.pool1(self.conv1(inputs))
        x = self.pool2(self.conv2(x))
        x = fluid.layers.reshape(x, [x.shape[0], -1])
        return self.fc(x)


def train_multi_gpu():
    place = fluid.CUDAPlace(fluid.dygraph.parallel.Env().dev_id)
    with fluid.dygraph.guard(place):
        strategy = fluid.dygraph.parallel.prepare_context()
        model = MNIST()
        model = fluid.dygraph.parallel.DataParallel(model, strategy)
        train_loader = load_data('train')
        train_loader = fluid.contrib.reader.distributed_batch_reader(train_loader)
        optimizer = fluid.optimizer.SGDOptimizer(learning_rate=0.1, parameter_list=model.parameters())
        model.train()
        for epoch_id in range(EPOCH_NUM):
            for batch_id, data in enumerate(train_loader()):
                image_data, label_data = data
                image = fluid.dygraph.to_variable(image_data)
                label = fluid.dygraph.to_variable(label_data)
                predict = model(image)
                loss = fluid.layers.cross_entropy(predict, label)
                avg_loss = fluid.layers.mean(loss)
                avg_loss = model.scale_loss(avg_loss)
                avg_loss.backward()
                model.apply_collective_grads()
                optimizer.minimize(avg_loss)
                model.clear_gradients()
                if batch_id % 5 == 0:
                    print("epoch: {}, batch: {}, loss is: {}".format(epoch_id, batch_id, avg_loss.numpy()))
        model.eval()
        correct = []
        for image_data, label_data in load_data('eval')():
            predict = model(fluid.dygraph.to_variable(image_data))
            correct.extend(predict.numpy().argmax(1) == label_data[:, 0])
        print("accuracy: {}".format(np.mean(correct)))
        print("sum: {}".format(float(sum(np.abs(p.numpy()).sum() for p in model.parameters()))))
        if fluid.dygraph.parallel.Env().local_rank == 0:
            fluid.save_dygraph(model.state_dict(), "mnist")


if __name__ == '__main__':
    train_multi_gpu()
