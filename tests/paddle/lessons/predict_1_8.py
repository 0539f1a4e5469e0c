# coding: utf-8

# # 预测一张图片
# In[1]:

get_ipython().run_line_magic('matplotlib', 'inline')
import random
import numpy as np
import gzip, json
import paddle
import paddle.fluid as fluid
from paddle.fluid.dygraph.nn import Conv2D, Pool2D, Linear
from PIL import Image
import matplotlib.pyplot as plt
import matplotlib.image as Img

# In[2]:


class MNIST(fluid.dygraph.Layer):
    def __init__(self):
        super(MNIST, self).__init__()
        self.conv1 = Conv2D(1, 20, 5, padding=2, act='relu')
        self.pool1 = Pool2D(2, 'max', 2)
        self.conv2 = Conv2D(20, 20, 5, padding=2, act='relu')
        self.pool2 = Pool2D(2, 'max', 2)
        self.fc = Linear(980, 10, act='softmax')

    def forward(self, inputs):
        x = self.pool2(self.conv2(self.pool1(self.conv1(inputs))))
        return self.fc(fluid.layers.reshape(x, [-1, 980]))


# In[3]:

imgs, labels = json.load(gzip.open('work/mnist.json.gz'))[0]
with fluid.dygraph.guard():
    model = MNIST()
    optimizer = fluid.optimizer.Adam(0.005, parameter_list=model.parameters())
    for start in range(0, 4000, 100):
        x = np.array(imgs[start:start + 100]).reshape(-1, 1, 28, 28).astype('float32')
        y = np.array(labels[start:start + 100]).reshape(-1, 1)
        loss = fluid.layers.mean(fluid.layers.cross_entropy(model(fluid.dygraph.to_variable(x)), fluid.dygraph.to_variable(y)))
        loss.backward()
        optimizer.minimize(loss)
        model.clear_gradients()
    fluid.save_dygraph(model.state_dict(), 'mnist')

# In[4]:

img_path = './work/example_0.jpg'
im = Image.open(img_path)
plt.imshow(im)
plt.show()
im = im.convert('L')
print('原始图像shape: ', np.array(im).shape)
im = im.resize((28, 28), Image.ANTIALIAS)
plt.imshow(im)
plt.show()
im.show()
print("采样后图片shape: ", np.array(im).shape)


# In[5]:

def load_image(img_path):
    im = Image.open(img_path).convert('L')
    im = im.resize((28, 28), Image.ANTIALIAS)
    im = np.array(im).reshape(1, 1, 28, 28).astype(np.float32)
    # 图像归一化
    im = 1.0 - im / 255.
    return im


with fluid.dygraph.guard():
    model = MNIST()
    params_file_path = 'mnist'
    model_dict, _ = fluid.load_dygraph(params_file_path)
    model.load_dict(model_dict)
    model.eval()
    for path in (img_path, '/home/aistudio/work/example_6.png'):
        tensor_img = load_image(path)
        results = model(fluid.dygraph.to_variable(tensor_img))
        lab = np.argsort(results.numpy())
        print("本次预测的数字是: ", lab[0][-1])
