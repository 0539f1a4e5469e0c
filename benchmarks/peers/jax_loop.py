"""The course's network in JAX: one compiled step, data in memory."""

from common import BATCH, arguments, measure

chosen = arguments()

import os

os.environ["XLA_FLAGS"] = (
    f"--xla_cpu_multi_thread_eigen={'true' if chosen.threads > 1 else 'false'} "
    f"intra_op_parallelism_threads={chosen.threads}"
)

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

arrays = np.load(chosen.data)
images, labels = jnp.asarray(arrays["images"][..., None]), jnp.asarray(arrays["labels"])
keys = jax.random.split(jax.random.key(1), 3)
shapes = ((5, 5, 1, 20), (5, 5, 20, 20), (980, 10))
parameters = [
    (jax.random.normal(key, shape) * np.sqrt(2 / np.prod(shape[:-1])), jnp.zeros(shape[-1]))
    for key, shape in zip(keys, shapes, strict=True)
]


def loss_of(parameters, batch, truth):
    features = batch
    for weight, bias in parameters[:2]:
        features = lax.conv_general_dilated(
            features, weight, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        features = jax.nn.relu(features + bias)
        features = lax.reduce_window(
            features, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
        )
    weight, bias = parameters[2]
    logits = features.reshape(len(batch), -1) @ weight + bias
    return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(batch)), truth])


@jax.jit
def train(parameters, at):
    batch = lax.dynamic_slice_in_dim(images, at, BATCH)
    truth = lax.dynamic_slice_in_dim(labels, at, BATCH)
    loss, gradients = jax.value_and_grad(loss_of)(parameters, batch, truth)
    moved = jax.tree.map(lambda p, g: p - 0.01 * g, parameters, gradients)
    return loss, moved


last = 0.0


def step(number: int) -> None:
    global last, parameters
    last, parameters = train(parameters, number * BATCH % (len(images) - BATCH))


measure(step, chosen.steps, lambda: float(last))
