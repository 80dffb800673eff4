"""Convolutional networks for images of 8 to 128 pixels a side, grey or in colours.

The encoder halves the image by convolutions of stride 2 until at most 4 pixels a side are left; an MLP does
the rest. The decoder is its mirror image: stages that convolve the image and double it by repeating pixels.
The last one writes 2 × 2 pixels at once in place of each, which begin equal (Aitken et al. 2017): neither way
has the checkerboards that transposed convolutions leave (Odena, Dumoulin & Olah 2016).

Rows are images flattened as (h, w, c); like all networks here these are functions of rows and of the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Generator, Tensor
from torch.nn import functional

from backends.pytorch.networks import ACTIVATIONS, MLP, Dropout, Weights, initialise

_SMALLEST = 4  # pixels a side, below which an image is not halved
_MOST = 4  # times as many channels as after the first stage, at most


class _Stages:
    """The sizes and channels of an image on the way down."""

    def __init__(self, image: tuple[int, ...], channels: int) -> None:
        height, width, colours = image if len(image) == 3 else (*image, 1)
        self.sizes, self.channels = [(height, width)], [colours]
        while max(self.sizes[-1]) > _SMALLEST:
            self.channels.append(channels * min(2 ** (len(self.sizes) - 1), _MOST))
            self.sizes.append(((self.sizes[-1][0] + 1) // 2, (self.sizes[-1][1] + 1) // 2))

    @property
    def rest(self) -> int:
        """Numbers in what is left of the image."""
        return self.channels[-1] * self.sizes[-1][0] * self.sizes[-1][1]


def _shapes(name: str, channels: Sequence[int]) -> tuple[dict[str, tuple[int, ...]], list[tuple[str, str]]]:
    """Tensors of a convolution between each two: ``<name>.<i>.weight`` (out, in, 3, 3), ``<name>.<i>.bias``
    (out,); and these pairs of names."""
    shapes: dict[str, tuple[int, ...]] = {}
    keys = []
    for i, (into, out) in enumerate(pairwise(channels)):
        keys.append((f"{name}.{i}.weight", f"{name}.{i}.bias"))
        shapes |= {keys[i][0]: (out, into, 3, 3), keys[i][1]: (out,)}
    return shapes, keys


class ConvolutionalEncoder:
    """(n, d) images → (n, outputs): convolutions, then an MLP with the hidden layers given."""

    def __init__(
        self, image: tuple[int, ...], channels: int, hidden: Sequence[int], outputs: int, activation: str
    ) -> None:
        stages = _Stages(image, channels)
        self._image, self._colours = stages.sizes[0], stages.channels[0]
        self._dense = MLP("encoder", [stages.rest, *hidden, outputs], activation)
        convolutions, self._keys = _shapes("encoder.convolution", stages.channels)
        self.shapes = convolutions | self._dense.shapes
        self._activation = ACTIVATIONS[activation]
        self.multiplications = self._dense.multiplications + _products(stages.channels, stages.sizes[1:])

    def initialise(self, w: Weights, generator: Generator) -> None:
        initialise(w, self._keys, generator)
        self._dense.initialise(w, generator)

    def __call__(self, x: Tensor, w: Weights, drop: Dropout | None = None) -> Tensor:
        """``drop`` is applied to the MLP's hidden layers."""
        h = x.view(-1, *self._image, self._colours).movedim(-1, 1)
        for weight, bias in self._keys:
            h = self._activation(functional.conv2d(h, w[weight], w[bias], stride=2, padding=1))
        return self._dense(h.flatten(1), w, drop)


class ConvolutionalDecoder:
    """(…, k) latents → (…, outputs): an MLP with the hidden layers given, then convolutions.

    outputs: a multiple m of the d numbers of an image; m images are written one behind the other.
    """

    def __init__(
        self,
        image: tuple[int, ...],
        channels: int,
        hidden: Sequence[int],
        latent_dim: int,
        outputs: int,
        activation: str,
    ) -> None:
        stages = _Stages(image, channels)
        colours = stages.channels[0]
        self._outputs = outputs
        self._images = outputs // (stages.sizes[0][0] * stages.sizes[0][1] * colours)
        written = [4 * self._images * colours, stages.channels[1], *stages.channels[1:]]
        self._size, self._inner = stages.sizes[0], stages.sizes[-2:0:-1]
        self._rest = (*stages.sizes[-1], stages.channels[-1])
        self._dense = MLP("decoder", [latent_dim, *hidden, stages.rest], activation)
        convolutions, self._keys = _shapes("decoder.convolution", written[::-1])
        self.shapes = self._dense.shapes | convolutions
        self._activation = ACTIVATIONS[activation]
        self.multiplications = self._dense.multiplications + _products(
            written, [stages.sizes[1], *stages.sizes[1:]]
        )

    def initialise(self, w: Weights, generator: Generator) -> None:
        self._dense.initialise(w, generator)
        initialise(w, self._keys, generator)
        for key in self._keys[-1]:
            w[key].copy_(w[key][::4].repeat_interleave(4, 0))

    def __call__(self, z: Tensor, w: Weights) -> Tensor:
        # channels last in memory, as rows are: three times as fast where there are few
        h = self._activation(self._dense(z, w)).view(-1, *self._rest).movedim(-1, 1)
        *inner, (weight, bias) = self._keys
        for i, keys in enumerate(inner):
            h = self._activation(functional.conv2d(h, w[keys[0]], w[keys[1]], padding=1))
            if i < len(self._inner):
                h = _cut(functional.interpolate(h, scale_factor=2, mode="nearest"), self._inner[i])
        h = functional.pixel_shuffle(functional.conv2d(h, w[weight], w[bias], padding=1), 2)
        h = _cut(h, self._size).unflatten(1, (self._images, -1)).movedim(2, -1)
        return h.reshape(*z.shape[:-1], self._outputs)


def _cut(h: Tensor, size: tuple[int, int]) -> Tensor:
    """A doubled image whose size may be odd, (n, c, h, w) → (n, c, *size)."""
    return h if h.shape[-2:] == size else h[..., : size[0], : size[1]]


def _products(channels: Sequence[int], sizes: Sequence[tuple[int, int]]) -> int:
    """Multiplications of 3 × 3 convolutions between each two, that write images of these sizes."""
    pairs = zip(pairwise(channels), sizes, strict=True)
    return sum(9 * a * b * height * width for (a, b), (height, width) in pairs)
