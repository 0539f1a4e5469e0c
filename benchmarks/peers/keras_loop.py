"""The course's network in Keras on TensorFlow: its compiled `train_on_batch`, data in memory."""

from common import BATCH, arguments, measure

chosen = arguments()

import keras
import numpy as np
import tensorflow as tf
from keras import layers

tf.config.threading.set_intra_op_parallelism_threads(chosen.threads)
tf.config.threading.set_inter_op_parallelism_threads(chosen.threads)
keras.utils.set_random_seed(1)
arrays = np.load(chosen.data)
images, labels = tf.constant(arrays["images"][..., None]), tf.constant(arrays["labels"])
network = keras.Sequential(
    [
        layers.Input((28, 28, 1)),
        layers.Conv2D(20, 5, padding="same", activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(20, 5, padding="same", activation="relu"), layers.MaxPooling2D(2),
        layers.Flatten(), layers.Dense(10),
    ]
)  # fmt: skip
network.compile(
    keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
)
last = 0.0


def step(number: int) -> None:
    global last
    at = number * BATCH % (len(images) - BATCH)
    last = network.train_on_batch(images[at : at + BATCH], labels[at : at + BATCH])


measure(step, chosen.steps, lambda: float(last))
