"""The names of old Paddle that there are: one table, for running, checking and explaining scripts.

`modules.py` makes of it what scripts import; the documents' table, `digitlab paddle check` and
`--explain` are made of it, too. No PyTorch is imported.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass


@dataclass(frozen=True)
class Name:
    """One thing, by its old name.

    Attributes:
        old: the fully qualified name that is written most.
        digitlab: how digitlab's recipes or commands say it; empty where they do not.
        torch: how PyTorch says it.
        paddle3: how Paddle 3 says it.
        place: the module of this package and the object in it, "module:object".
        aliases: other names of the same thing.
    """

    old: str
    digitlab: str
    torch: str
    paddle3: str
    place: str = ""
    aliases: tuple[str, ...] = ()


_F, _D, _L = "paddle.fluid", "paddle.fluid.dygraph", "paddle.fluid.layers"
_O, _I, _P = "paddle.fluid.optimizer", "paddle.fluid.initializer", "paddle.fluid.dygraph.parallel"
_S = "paddle.fluid.dygraph.learning_rate_scheduler"
_DEVICE = '[training] device = "cpu"', '[training] device = "cuda"'


def _layer(old: str, digitlab: str, torch: str, paddle3: str) -> Name:
    """Return a layer with parameters; it is in dygraph and in dygraph.nn."""
    return Name(
        f"{_D}.{old}", digitlab, torch, paddle3, f"nn:{old}", (f"{_D}.nn.{old}", f"{_F}.{old}")
    )


def _function(old: str, torch: str, paddle3: str, digitlab: str = "") -> Name:
    return Name(f"{_L}.{old}", digitlab, torch, paddle3, f"layers:{old}")


def _rule(old: str, digitlab: str, torch: str, paddle3: str) -> Name:
    """Return an optimizer; its other name ends in Optimizer."""
    long = f"{old}Optimizer"
    return Name(f"{_O}.{old}", digitlab, torch, paddle3, f"optimizers:{long}", (f"{_O}.{long}",))


def _start(old: str, torch: str, paddle3: str, *aliases: str) -> Name:
    others = tuple(f"{_I}.{alias}" for alias in aliases)
    return Name(f"{_I}.{old}", "", torch, paddle3, f"initializers:{old}", others)


def _reader(old: str, torch: str, paddle3: str, *aliases: str) -> Name:
    others = (f"{_F}.io.{old}", f"paddle.reader.decorator.{old}", *aliases)
    return Name(f"paddle.reader.{old}", "", torch, paddle3, f"readers:{old}", others)


def _elementwise(old: str, sign: str) -> Name:
    return _function(f"elementwise_{old}", f"x {sign} y", f"x {sign} y")


# Learning rates that fall: the class, the function of the same, and how they are written today.
_DECAYS = (
    ("PiecewiseDecay", "piecewise_decay", '[schedule] name = "step"',
     "torch.optim.lr_scheduler.MultiStepLR", "paddle.optimizer.lr.PiecewiseDecay"),
    ("ExponentialDecay", "exponential_decay", '[schedule] name = "step"',
     "torch.optim.lr_scheduler.ExponentialLR", "paddle.optimizer.lr.ExponentialDecay"),
    ("NaturalExpDecay", "natural_exp_decay", "", "torch.optim.lr_scheduler.LambdaLR",
     "paddle.optimizer.lr.NaturalExpDecay"),
    ("InverseTimeDecay", "inverse_time_decay", "", "torch.optim.lr_scheduler.LambdaLR",
     "paddle.optimizer.lr.InverseTimeDecay"),
    ("PolynomialDecay", "polynomial_decay", '[schedule] name = "one-cycle"',
     "torch.optim.lr_scheduler.PolynomialLR", "paddle.optimizer.lr.PolynomialDecay"),
    ("CosineDecay", "cosine_decay", '[schedule] name = "cosine"',
     "torch.optim.lr_scheduler.CosineAnnealingLR", "paddle.optimizer.lr.CosineAnnealingDecay"),
    ("NoamDecay", "noam_decay", "", "torch.optim.lr_scheduler.LambdaLR",
     "paddle.optimizer.lr.NoamDecay"),
    ("LinearLrWarmup", "linear_lr_warmup", '[schedule] name = "one-cycle"',
     "torch.optim.lr_scheduler.LinearLR", "paddle.optimizer.lr.LinearWarmup"),
)  # fmt: skip

NAMES: tuple[Name, ...] = (
    # Places and modes
    Name(f"{_F}.CPUPlace", _DEVICE[0], 'torch.device("cpu")', 'paddle.set_device("cpu")',
         "state:CPUPlace", (f"{_F}.core.CPUPlace",)),
    Name(f"{_F}.CUDAPlace", _DEVICE[1], 'torch.device("cuda")', 'paddle.set_device("gpu")',
         "state:CUDAPlace", (f"{_F}.core.CUDAPlace",)),
    Name(f"{_F}.CUDAPinnedPlace", "", "tensor.pin_memory()", "paddle.CUDAPinnedPlace()",
         "state:CUDAPinnedPlace", (f"{_F}.core.CUDAPinnedPlace",)),
    Name(f"{_F}.cpu_places", "", 'torch.device("cpu")', 'paddle.set_device("cpu")',
         "state:cpu_places"),
    Name(f"{_F}.cuda_places", "", "torch.cuda.device_count()", "paddle.device.cuda.device_count()",
         "state:cuda_places"),
    Name(f"{_F}.is_compiled_with_cuda", "", "torch.cuda.is_available()",
         "paddle.is_compiled_with_cuda()", "state:is_compiled_with_cuda",
         (f"{_F}.core.is_compiled_with_cuda",)),
    Name(f"{_D}.guard", "", "not needed", "not needed", "state:guard", (f"{_D}.base.guard",)),
    Name(f"{_D}.enabled", "", "not needed", "paddle.in_dynamic_mode()", "state:enabled",
         (f"{_D}.base.enabled", f"{_F}.in_dygraph_mode", f"{_F}.framework.in_dygraph_mode")),
    Name(f"{_F}.enable_dygraph", "", "not needed", "paddle.disable_static()",
         "state:enable_dygraph",
         (f"{_D}.enable_dygraph", f"{_F}.enable_imperative", f"{_D}.base.enable_dygraph")),
    Name(f"{_F}.disable_dygraph", "", "not needed", "paddle.enable_static()",
         "state:disable_dygraph",
         (f"{_D}.disable_dygraph", f"{_F}.disable_imperative", f"{_D}.base.disable_dygraph")),
    Name(f"{_D}.no_grad", "", "torch.no_grad()", "paddle.no_grad()", "modes:no_grad",
         (f"{_D}.base.no_grad",)),
    Name(f"{_D}.grad", "", "torch.autograd.grad()", "paddle.grad()", "modes:grad",
         (f"{_D}.base.grad",)),
    Name(f"{_D}.BackwardStrategy", "", "not needed", "not needed", "modes:BackwardStrategy",
         (f"{_D}.backward_strategy.BackwardStrategy",)),
    Name(f"{_F}.default_startup_program", "seed = 1", "torch.manual_seed(1)", "paddle.seed(1)",
         "state:default_startup_program", (f"{_F}.framework.default_startup_program",)),
    Name(f"{_F}.default_main_program", "seed = 1", "torch.manual_seed(1)", "paddle.seed(1)",
         "state:default_main_program", (f"{_F}.framework.default_main_program",)),
    Name(f"{_F}.Program", "", "not needed", "not needed", "state:Program",
         (f"{_F}.framework.Program",)),
    Name(f"{_F}.program_guard", "", "not needed", "not needed", "state:program_guard",
         (f"{_F}.framework.program_guard",)),
    Name(f"{_F}.set_flags", "", "not needed", "paddle.set_flags()", "state:set_flags"),

    # Variables, layers and parameters
    Name(f"{_D}.to_variable", "", "torch.from_numpy(array)", "paddle.to_tensor(array)",
         "variable:to_variable", (f"{_D}.base.to_variable",)),
    Name(f"{_F}.Variable", "", "torch.Tensor", "paddle.Tensor", "variable:Variable",
         (f"{_F}.framework.Variable", f"{_F}.core.VarBase")),
    Name(f"{_F}.core.VarDesc", "", "torch.dtype", "paddle.dtype", "modes:VarDesc"),
    Name(f"{_D}.Layer", '[network] name = "cnn", or --network my_module:MyNetwork',
         "torch.nn.Module", "paddle.nn.Layer", "layer:Layer",
         (f"{_D}.layers.Layer", f"{_F}.Layer")),
    Name(f"{_D}.Sequential", "", "torch.nn.Sequential", "paddle.nn.Sequential",
         "layer:Sequential", (f"{_D}.container.Sequential",)),
    Name(f"{_D}.LayerList", "", "torch.nn.ModuleList", "paddle.nn.LayerList",
         "layer:LayerList", (f"{_D}.container.LayerList",)),
    Name(f"{_D}.ParameterList", "", "torch.nn.ParameterList", "paddle.nn.ParameterList",
         "layer:ParameterList", (f"{_D}.container.ParameterList",)),
    Name(f"{_F}.ParamAttr", "", "torch.nn.init", "paddle.ParamAttr", "initializers:ParamAttr",
         (f"{_F}.param_attr.ParamAttr", "paddle.ParamAttr")),
    _layer("Linear", '[network] name = "mlp"', "torch.nn.Linear", "paddle.nn.Linear"),
    _layer("FC", '[network] name = "mlp"', "torch.nn.Flatten and torch.nn.LazyLinear",
           "paddle.nn.Flatten and paddle.nn.Linear"),
    _layer("Conv2D", '[network] name = "cnn"', "torch.nn.Conv2d", "paddle.nn.Conv2D"),
    _layer("Pool2D", '[network] name = "cnn"', "torch.nn.MaxPool2d, torch.nn.AvgPool2d",
           "paddle.nn.MaxPool2D, paddle.nn.AvgPool2D"),
    _layer("BatchNorm", "", "torch.nn.BatchNorm2d(momentum=0.1)", "paddle.nn.BatchNorm2D"),
    _layer("Dropout", "", "torch.nn.Dropout", "paddle.nn.Dropout"),
    _layer("Embedding", "", "torch.nn.Embedding", "paddle.nn.Embedding"),

    # Functions: losses
    _function("square_error_cost", '(x - y) ** 2', "paddle.nn.functional.square_error_cost",
              '[objective] name = "square-error"'),
    _function("mse_loss", "torch.nn.functional.mse_loss", "paddle.nn.functional.mse_loss",
              '[objective] name = "square-error"'),
    _function("cross_entropy", "torch.nn.functional.nll_loss(x.log(), y)",
              "paddle.nn.functional.cross_entropy(use_softmax=False)",
              '[objective] name = "cross-entropy"'),
    _function("softmax_with_cross_entropy", "torch.nn.functional.cross_entropy",
              "paddle.nn.functional.cross_entropy", '[objective] name = "cross-entropy"'),
    _function("sigmoid_cross_entropy_with_logits",
              "torch.nn.functional.binary_cross_entropy_with_logits",
              "paddle.nn.functional.binary_cross_entropy_with_logits"),
    _function("accuracy", "(x.argmax(1) == y).float().mean()", "paddle.metric.accuracy",
              "digitlab evaluate"),

    # Functions: one by one
    _function("softmax", "x.softmax(-1)", "paddle.nn.functional.softmax",
              "digitlab figure softmax"),
    _function("sigmoid", "x.sigmoid()", "paddle.nn.functional.sigmoid", "digitlab figure sigmoid"),
    _function("relu", "x.relu()", "paddle.nn.functional.relu"),
    _function("tanh", "x.tanh()", "paddle.tanh"),
    _function("leaky_relu", "torch.nn.functional.leaky_relu", "paddle.nn.functional.leaky_relu"),
    _function("relu6", "torch.nn.functional.relu6", "paddle.nn.functional.relu6"),
    _function("elu", "torch.nn.functional.elu", "paddle.nn.functional.elu"),
    _function("softplus", "torch.nn.functional.softplus", "paddle.nn.functional.softplus"),
    _function("exp", "x.exp()", "paddle.exp"),
    _function("log", "x.log()", "paddle.log", "digitlab figure log"),
    _function("sqrt", "x.sqrt()", "paddle.sqrt"),
    _function("square", "x.square()", "paddle.square"),
    _function("abs", "x.abs()", "paddle.abs"),
    _function("pow", "x.pow(factor)", "paddle.pow"),
    _function("clip", "x.clamp(min, max)", "paddle.clip"),
    _function("scale", "x * scale + bias", "paddle.scale"),
    _function("dropout", "torch.nn.functional.dropout",
              'paddle.nn.functional.dropout(mode="downscale_in_infer")'),

    # Functions: numbers from many
    _function("mean", "x.mean()", "paddle.mean"),
    _function("reduce_mean", "x.mean(dim)", "paddle.mean"),
    _function("reduce_sum", "x.sum(dim)", "paddle.sum"),
    _function("reduce_max", "x.amax(dim)", "paddle.max"),
    _function("reduce_min", "x.amin(dim)", "paddle.min"),
    _function("reduce_prod", "x.prod(dim)", "paddle.prod"),
    _function("reduce_all", "x.all(dim)", "paddle.all"),
    _function("reduce_any", "x.any(dim)", "paddle.any"),
    _function("sum", "sum(list)", "paddle.add_n"),
    _function("sums", "sum(list)", "paddle.add_n"),
    _function("argmax", "x.argmax(axis)", "paddle.argmax"),
    _function("argmin", "x.argmin(axis)", "paddle.argmin"),
    _function("argsort", "x.sort(axis)", "paddle.argsort"),
    _function("topk", "x.topk(k)", "paddle.topk"),

    # Functions: two at a time
    _function("matmul", "x @ y", "paddle.matmul"),
    _function("mul", "x.flatten(1) @ y", "paddle.matmul"),
    _elementwise("add", "+"),
    _elementwise("sub", "-"),
    _elementwise("mul", "*"),
    _elementwise("div", "/"),
    _elementwise("pow", "**"),
    _elementwise("mod", "%"),
    _elementwise("floordiv", "//"),
    _function("elementwise_max", "torch.maximum(x, y)", "paddle.maximum"),
    _function("elementwise_min", "torch.minimum(x, y)", "paddle.minimum"),
    _function("equal", "x == y", "paddle.equal"),
    _function("less_than", "x < y", "paddle.less_than"),
    _function("greater_than", "x > y", "paddle.greater_than"),

    # Functions: shapes
    _function("reshape", "x.reshape(shape)", "paddle.reshape"),
    _function("flatten", "x.flatten(axis)", "paddle.flatten"),
    _function("transpose", "x.permute(perm)", "paddle.transpose"),
    _function("squeeze", "x.squeeze(axes)", "paddle.squeeze"),
    _function("unsqueeze", "x.unsqueeze(axis)", "paddle.unsqueeze"),
    _function("concat", "torch.cat(list, axis)", "paddle.concat"),
    _function("stack", "torch.stack(list, axis)", "paddle.stack"),
    _function("split", "x.split(sections, dim)", "paddle.split"),
    _function("expand", "x.repeat(times)", "paddle.tile"),
    _function("gather", "x.index_select(0, index)", "paddle.gather"),
    _function("shape", "x.shape", "paddle.shape"),

    # Functions: values
    _function("cast", "x.to(dtype)", "paddle.cast"),
    _function("assign", "x.clone()", "paddle.assign"),
    _function("fill_constant", "torch.full(shape, value)", "paddle.full"),
    _function("create_global_var", "torch.full(shape, value)", "paddle.full"),
    _function("ones", "torch.ones(shape)", "paddle.ones"),
    _function("zeros", "torch.zeros(shape)", "paddle.zeros"),
    _function("ones_like", "torch.ones_like(x)", "paddle.ones_like"),
    _function("zeros_like", "torch.zeros_like(x)", "paddle.zeros_like"),
    _function("uniform_random", "torch.empty(shape).uniform_(min, max)", "paddle.uniform"),
    _function("gaussian_random", "torch.normal(mean, std, shape)", "paddle.normal"),
    Name(f"{_F}.one_hot", "", "torch.nn.functional.one_hot", "paddle.nn.functional.one_hot",
         "layers:one_hot_v2", (f"{_F}.input.one_hot",)),
    _function("one_hot", "torch.nn.functional.one_hot(labels.squeeze(-1))",
              "paddle.nn.functional.one_hot(labels.squeeze(-1))"),

    # Learning rates that fall
    *(
        Name(f"{_D}.{old}", digitlab, torch, paddle3, f"decays:{old}", (f"{_S}.{old}",))
        for old, _, digitlab, torch, paddle3 in _DECAYS
    ),
    *(
        Name(f"{_L}.{old}", digitlab, torch, paddle3, f"decays:{old}",
             (f"{_L}.learning_rate_scheduler.{old}",))
        for _, old, digitlab, torch, paddle3 in _DECAYS
    ),

    # Optimizers
    _rule("SGD", '[optimizer] name = "sgd"', "torch.optim.SGD", "paddle.optimizer.SGD"),
    _rule("Momentum", '[optimizer] name = "momentum"', "torch.optim.SGD(momentum=0.9)",
          "paddle.optimizer.Momentum"),
    _rule("Adagrad", '[optimizer] name = "adagrad"', "torch.optim.Adagrad",
          "paddle.optimizer.Adagrad"),
    _rule("RMSProp", '[optimizer] name = "rmsprop"', "torch.optim.RMSprop",
          "paddle.optimizer.RMSProp"),
    _rule("Adam", '[optimizer] name = "adam"', "torch.optim.Adam", "paddle.optimizer.Adam"),
    _rule("Adamax", "", "torch.optim.Adamax", "paddle.optimizer.Adamax"),
    Name(f"{_F}.regularizer.L2Decay", "[optimizer] weight_decay = 0.0001", "weight_decay=0.0001",
         "paddle.regularizer.L2Decay", "gradients:L2Decay",
         (f"{_F}.regularizer.L2DecayRegularizer",)),
    Name(f"{_F}.regularizer.L1Decay", "", "loss + c * sum(p.abs().sum())",
         "paddle.regularizer.L1Decay", "gradients:L1Decay",
         (f"{_F}.regularizer.L1DecayRegularizer",)),
    *(
        Name(f"{_F}.clip.GradientClipBy{old}", "", torch, f"paddle.nn.ClipGradBy{old}",
             f"gradients:GradientClipBy{old}",
             (f"{_F}.dygraph_grad_clip.GradClipBy{old}", f"{_F}.clip.GradClipBy{old}"))
        for old, torch in (
            ("Value", "torch.nn.utils.clip_grad_value_"),
            ("Norm", "torch.nn.utils.clip_grad_norm_, a parameter at a time"),
            ("GlobalNorm", "torch.nn.utils.clip_grad_norm_"),
        )
    ),

    # First values
    _start("Constant", "torch.nn.init.constant_", "paddle.nn.initializer.Constant",
           "ConstantInitializer"),
    _start("Uniform", "torch.nn.init.uniform_", "paddle.nn.initializer.Uniform",
           "UniformInitializer"),
    _start("Normal", "torch.nn.init.normal_", "paddle.nn.initializer.Normal", "NormalInitializer"),
    _start("TruncatedNormal", "torch.nn.init.trunc_normal_",
           "paddle.nn.initializer.TruncatedNormal", "TruncatedNormalInitializer"),
    _start("Xavier", "torch.nn.init.xavier_uniform_", "paddle.nn.initializer.XavierUniform",
           "XavierInitializer"),
    _start("MSRA", "torch.nn.init.kaiming_uniform_", "paddle.nn.initializer.KaimingUniform",
           "MSRAInitializer"),
    _start("NumpyArrayInitializer", "parameter.copy_(torch.from_numpy(array))",
           "paddle.nn.initializer.Assign"),
    _start("Initializer", "torch.nn.init", "paddle.nn.initializer.Initializer"),

    # Files
    Name(f"{_F}.save_dygraph", "digitlab train (model and checkpoints are always written)",
         "torch.save(model.state_dict(), path)", "paddle.save(model.state_dict(), path)",
         "saving:save_dygraph",
         (f"{_D}.save_dygraph", f"{_D}.checkpoint.save_dygraph")),
    Name(f"{_F}.load_dygraph", "digitlab paddle import FILE.pdparams",
         "torch.load(path, weights_only=True)", "paddle.load(path)", "saving:load_dygraph",
         (f"{_D}.load_dygraph", f"{_D}.checkpoint.load_dygraph")),

    # Workers
    Name(f"{_P}.ParallelEnv", "digitlab train --workers 4", "torch.distributed.get_rank()",
         "paddle.distributed.ParallelEnv", "collective:ParallelEnv",
         (f"{_P}.Env", f"{_D}.ParallelEnv", "paddle.distributed.ParallelEnv")),
    Name(f"{_P}.ParallelStrategy", "", "not needed", "not needed", "collective:ParallelStrategy"),
    Name(f"{_P}.prepare_context", "digitlab train --workers 4",
         "torch.distributed.init_process_group()", "paddle.distributed.init_parallel_env()",
         "collective:prepare_context", (f"{_D}.prepare_context",)),
    Name(f"{_P}.DataParallel", "digitlab train --workers 4",
         "torch.nn.parallel.DistributedDataParallel", "paddle.DataParallel",
         "data_parallel:DataParallel", (f"{_D}.DataParallel",)),
    Name(f"{_F}.contrib.reader.distributed_batch_reader", "digitlab train --workers 4",
         "torch.utils.data.DistributedSampler", "paddle.io.DistributedBatchSampler",
         "readers:distributed_batch_reader"),

    # Data
    Name("paddle.dataset.mnist.train", '[data] sources = ["mnist"]',
         "torchvision.datasets.MNIST(train=True)", 'paddle.vision.datasets.MNIST(mode="train")',
         "readers:mnist_train"),
    Name("paddle.dataset.mnist.test", "digitlab evaluate",
         "torchvision.datasets.MNIST(train=False)", 'paddle.vision.datasets.MNIST(mode="test")',
         "readers:mnist_test"),
    Name("paddle.batch", "[training] batch_size = 100", "torch.utils.data.DataLoader(batch_size=)",
         "paddle.io.DataLoader(batch_size=)", "readers:batch",
         (f"{_F}.io.batch", "paddle.reader.batch")),
    _reader("shuffle", "torch.utils.data.DataLoader(shuffle=True)",
            "paddle.io.DataLoader(shuffle=True)"),
    _reader("buffered", "torch.utils.data.DataLoader(prefetch_factor=)",
            "paddle.io.DataLoader(prefetch_factor=)"),
    _reader("cache", "list(dataset)", "list(dataset)"),
    _reader("chain", "torch.utils.data.ConcatDataset", "paddle.io.ConcatDataset"),
    _reader("compose", "torch.utils.data.StackDataset", "paddle.io.ComposeDataset"),
    _reader("map_readers", "map(function, dataset)", "map(function, dataset)"),
    _reader("xmap_readers", "torch.utils.data.DataLoader(num_workers=)",
            "paddle.io.DataLoader(num_workers=)"),
    _reader("multiprocess_reader", "torch.utils.data.DataLoader(num_workers=)",
            "paddle.io.DataLoader(num_workers=)"),
    _reader("firstn", "torch.utils.data.Subset", "paddle.io.Subset"),
    _reader("ComposeNotAligned", "ValueError", "ValueError"),
    Name(f"{_F}.io.DataLoader", "[training] batch_size = 100", "torch.utils.data.DataLoader",
         "paddle.io.DataLoader", "readers:DataLoader", (f"{_F}.reader.DataLoader",)),
)  # fmt: skip

OLD: dict[str, Name] = {old: name for name in NAMES for old in (name.old, *name.aliases)}

# Modules that have no name of their own in the table, but are imported or asked for.
_EMPTY = ("paddle.distributed",)


def _modules() -> frozenset[str]:
    found = set(_EMPTY)
    for old in OLD:
        parts = old.split(".")[:-1]
        found |= {".".join(parts[: count + 1]) for count in range(len(parts))}
    return frozenset(found)


MODULES: frozenset[str] = _modules()

# What takes the place of names that no other resembles.
_INSTEAD = {
    f"{_L}.fc": f"{_D}.Linear",
    f"{_L}.conv2d": f"{_D}.Conv2D",
    f"{_L}.pool2d": f"{_D}.Pool2D",
    f"{_L}.batch_norm": f"{_D}.BatchNorm",
    f"{_L}.embedding": f"{_D}.Embedding",
    f"{_F}.embedding": f"{_D}.Embedding",
    f"{_L}.data": f"{_D}.to_variable",
    f"{_F}.data": f"{_D}.to_variable",
    f"{_F}.DataFeeder": f"{_D}.to_variable",
    f"{_F}.Executor": f"{_D}.guard",
    f"{_F}.CompiledProgram": f"{_D}.guard",
    f"{_F}.io.save_params": f"{_F}.save_dygraph",
    f"{_F}.io.save_persistables": f"{_F}.save_dygraph",
    f"{_F}.io.save_inference_model": f"{_F}.save_dygraph",
    f"{_D}.save_persistables": f"{_F}.save_dygraph",
    f"{_F}.io.load_params": f"{_F}.load_dygraph",
    f"{_F}.io.load_persistables": f"{_F}.load_dygraph",
    f"{_F}.io.load_inference_model": f"{_F}.load_dygraph",
    f"{_D}.load_persistables": f"{_F}.load_dygraph",
    f"{_D}.LayerNorm": f"{_D}.BatchNorm",
    f"{_D}.GroupNorm": f"{_D}.BatchNorm",
    f"{_D}.InstanceNorm": f"{_D}.BatchNorm",
    f"{_D}.Conv2DTranspose": f"{_D}.Conv2D",
    f"{_D}.PRelu": f"{_L}.leaky_relu",
    f"{_D}.L1Loss": f"{_L}.abs",
    f"{_D}.NLLLoss": f"{_L}.cross_entropy",
    f"{_D}.BCELoss": f"{_L}.sigmoid_cross_entropy_with_logits",
    f"{_D}.StepDecay": f"{_D}.PiecewiseDecay",
    f"{_D}.MultiStepDecay": f"{_D}.PiecewiseDecay",
    f"{_D}.ReduceLROnPlateau": f"{_D}.PiecewiseDecay",
    f"{_L}.create_parameter": f"{_L}.create_global_var",
    f"{_L}.log_loss": f"{_L}.sigmoid_cross_entropy_with_logits",
    f"{_L}.huber_loss": f"{_L}.square_error_cost",
    f"{_L}.smooth_l1": f"{_L}.square_error_cost",
    f"{_L}.adaptive_pool2d": f"{_D}.Pool2D",
    f"{_L}.layer_norm": f"{_D}.BatchNorm",
    f"{_L}.swish": f"{_L}.sigmoid",
    f"{_L}.pad2d": f"{_L}.concat",
    f"{_L}.slice": f"{_F}.Variable",
    f"{_L}.not_equal": f"{_L}.equal",
    f"{_L}.less_equal": f"{_L}.less_than",
    f"{_L}.greater_equal": f"{_L}.greater_than",
    f"{_L}.logical_and": f"{_L}.reduce_all",
    f"{_L}.logical_or": f"{_L}.reduce_any",
    f"{_L}.logical_not": f"{_L}.equal",
    f"{_O}.Ftrl": f"{_O}.Adagrad",
    f"{_O}.FtrlOptimizer": f"{_O}.Adagrad",
    f"{_O}.Adadelta": f"{_O}.RMSProp",
    f"{_O}.AdadeltaOptimizer": f"{_O}.RMSProp",
    f"{_O}.Lamb": f"{_O}.Adam",
    f"{_F}.clip.set_gradient_clip": f"{_F}.clip.GradientClipByGlobalNorm",
    f"{_F}.unique_name": f"{_D}.guard",
    f"{_F}.unique_name.guard": f"{_D}.guard",
    f"{_F}.metrics": f"{_L}.accuracy",
    f"{_F}.nets": f"{_D}.Sequential",
    f"{_F}.install_check": f"{_D}.guard",
    f"{_F}.nets.simple_img_conv_pool": f"{_D}.Conv2D",
    "paddle.to_tensor": f"{_D}.to_variable",
    "paddle.no_grad": f"{_D}.no_grad",
    "paddle.grad": f"{_D}.grad",
    "paddle.save": f"{_F}.save_dygraph",
    "paddle.load": f"{_F}.load_dygraph",
    "paddle.set_device": f"{_F}.CUDAPlace",
    "paddle.seed": f"{_F}.default_startup_program",
}


def find(dotted: str) -> Name | None:
    """Return what a fully qualified old name means, such as "paddle.fluid.layers.mean"; or None."""
    return OLD.get(dotted)


def nearest(dotted: str) -> str | None:
    """Return the name that may be meant by one that there is not, or takes its place; or None.

    One with the same last part is nearest, then one that is spelt alike in the same module, then
    anywhere.
    """
    short = dotted.replace(f"{_D}.nn.", f"{_D}.").replace(f"{_S}.", f"{_D}.")
    if short in _INSTEAD:
        return _INSTEAD[short]
    module, _, last = dotted.rpartition(".")
    by_last: dict[str, str] = {}
    for old, name in OLD.items():
        by_last.setdefault(old.rpartition(".")[2].lower(), name.old)
    if last.lower() in by_last:
        return by_last[last.lower()]
    beside = {old.rpartition(".")[2]: old for old in OLD if old.rpartition(".")[0] == module}
    near = difflib.get_close_matches(last, beside, n=1, cutoff=0.6)
    if near:
        return beside[near[0]]
    anywhere = difflib.get_close_matches(last.lower(), by_last, n=1, cutoff=0.6)
    if anywhere:
        return by_last[anywhere[0]]
    whole = difflib.get_close_matches(dotted, [*OLD, *MODULES], n=1, cutoff=0.6)
    return whole[0] if whole else None
