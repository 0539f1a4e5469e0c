# -*- coding: utf-8 -*-
# The data reader, by itself: json and gzip, an assertion, a generator of batches. Also shows a digit.
import os
import random
import paddle
import paddle.fluid as fluid
from paddle.fluid.dygraph.nn import FC
import numpy as np
import matplotlib.pyplot as plt
from PIL import Image

import gzip
import json

datafile = './work/mnist.json.gz'
print('loading mnist dataset from {} ......'.format(datafile))
data = json.load(gzip.open(datafile))
print('mnist dataset load done')
train_set, val_set, eval_set = data

IMG_ROWS = 28
IMG_COLS = 28

imgs, labels = train_set[0], train_set[1]
print("训练数据集数量: ", len(imgs))
imgs, labels = val_set[0], val_set[1]
print("验证数据集数量: ", len(imgs))
imgs, labels = eval_set[0], eval_set[1]
print("测试数据集数量: ", len(imgs))

imgs, labels = train_set[0], train_set[1]
imgs_length = len(imgs)
index_list = list(range(imgs_length))
BATCHSIZE = 100
random.shuffle(index_list)


def data_generator():
    imgs_list = []
    labels_list = []
    for i in index_list:
        img = np.array(imgs[i]).astype('float32')
        label = np.array(labels[i]).astype('float32')
        imgs_list.append(img)
        labels_list.append(label)
        if len(imgs_list) == BATCHSIZE:
            yield np.array(imgs_list), np.array(labels_list)
            imgs_list = []
            labels_list = []
    if len(imgs_list) > 0:
        yield np.array(imgs_list), np.array(labels_list)
    return data_generator


train_loader = data_generator
for batch_id, data in enumerate(train_loader()):
    image_data, label_data = data
    if batch_id == 0:
        print("打印第一个batch数据的维度:")
        print("图像维度: {}, 标签维度: {}".format(image_data.shape, label_data.shape))
    break

imgs_length = len(imgs)
assert len(imgs) == len(labels), \
    "length of train_imgs({}) should be the same as train_labels({})".format(len(imgs), len(label))

img = np.reshape(np.array(imgs[0], dtype=np.float), [28, 28])
plt.figure("Image")
plt.imshow(img)
plt.axis('on')
plt.title('image')
plt.show()
