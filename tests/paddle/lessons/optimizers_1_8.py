# Four optimizers, one after the other, on the CPU or a GPU by a switch.
import sys

import numpy as np
import paddle
import paddle.fluid as fluid

use_gpu = len(sys.argv) > 1 and sys.argv[1] == '--gpu'
place = fluid.CUDAPlace(0) if use_gpu else fluid.CPUPlace()


class MNIST(fluid.dygraph.Layer):
    def __init__(self):
        super(MNIST, self).__init__()
        self.conv1 = fluid.dygraph.Conv2D(1, 20, 5, padding=2, act='relu')
        self.pool1 = fluid.dygraph.Pool2D(2, 'max', 2)
        self.conv2 = fluid.dygraph.Conv2D(20, 20, 5, padding=2, act='relu')
        self.pool2 = fluid.dygraph.Pool2D(2, 'max', 2)
        self.fc = fluid.dygraph.Linear(980, 10, act='softmax')

    def forward(self, inputs):
        x = self.pool2(self.conv2(self.pool1(self.conv1(inputs))))
        return self.fc(fluid.layers.reshape(x, [x.shape[0], 980]))


def batches(reader):
    for rows in reader():
        images = np.array([row[0].reshape(1, 28, 28) for row in rows]).astype('float32')
        labels = np.array([row[1] for row in rows]).astype('int64').reshape(-1, 1)
        yield fluid.dygraph.to_variable(images), fluid.dygraph.to_variable(labels)


def train(make):
    with fluid.dygraph.guard(place):
        fluid.default_startup_program().random_seed = 90
        model = MNIST()
        optimizer = make(model.parameters())
        train_reader = paddle.batch(paddle.reader.shuffle(paddle.reader.firstn(paddle.dataset.mnist.train(), 2000), 500), batch_size=100)
        model.train()
        for image, label in batches(train_reader):
            loss = fluid.layers.mean(fluid.layers.cross_entropy(model(image), label))
            loss.backward()
            optimizer.minimize(loss)
            model.clear_gradients()
        model.eval()
        test_reader = paddle.batch(paddle.reader.firstn(paddle.dataset.mnist.test(), 500), batch_size=500)
        with fluid.dygraph.no_grad():
            found = [fluid.layers.accuracy(model(image), label).numpy() for image, label in batches(test_reader)]
        return np.mean(found)


for name, make in [
    ('SGD', lambda parameters: fluid.optimizer.SGDOptimizer(learning_rate=0.1, parameter_list=parameters)),
    ('Momentum', lambda parameters: fluid.optimizer.MomentumOptimizer(learning_rate=0.01, momentum=0.9, parameter_list=parameters)),
    ('Adagrad', lambda parameters: fluid.optimizer.AdagradOptimizer(learning_rate=0.01, parameter_list=parameters)),
    ('Adam', lambda parameters: fluid.optimizer.AdamOptimizer(learning_rate=0.001, parameter_list=parameters)),
]:
    print('%s: accuracy: %.4f' % (name, train(make)))
