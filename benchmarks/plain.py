"""Training without a window: our learner alone, and the same model in plain PyTorch."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import nn

from backends.data import open_data
from backends.registry import installed
from backends.run import Run


def our_rate(seconds: float, threads: int, device: str = "cpu") -> float:
    """Steps a second of the default VAE on digits in a bare loop, curves kept as in the program."""
    torch.set_num_threads(threads)
    run = Run.start("vae", open_data("digits"), {}, device=device)
    for _ in range(50):
        run.step()
    begin, first = time.perf_counter(), run.steps
    while time.perf_counter() - begin < seconds:
        run.step()
    return (run.steps - first) / (time.perf_counter() - begin)


class PlainVAE(nn.Module):
    """The default VAE as a tutorial would write it."""

    def __init__(self, d: int, width: int, k: int, dropout: float) -> None:
        super().__init__()

        def body(n: int) -> list[nn.Module]:
            layers: list[nn.Module] = []
            for size in (n, width):
                layers += [nn.Linear(size, width), nn.ReLU()]
                layers += [nn.Dropout(dropout)] if dropout else []
            return layers

        self.encoder = nn.Sequential(*body(d), nn.Linear(width, 2 * k))
        self.decoder = nn.Sequential(*body(k), nn.Linear(width, d))

    def forward(self, x: Any) -> Any:
        mean, log_std = self.encoder(x).chunk(2, dim=1)
        z = mean + log_std.exp() * torch.randn_like(mean)
        cross = nn.functional.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum") / len(x)
        kl = 0.5 * (mean**2 + (2 * log_std).exp() - 1 - 2 * log_std).sum() / len(x)
        return cross + kl


class PlainLoop:
    """Minibatches, Adam, and the loss of each step read as a number."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.x = torch.from_numpy(open_data("digits").train.x)
        dropout = float(values.get("dropout", 0.0))
        self.model = PlainVAE(self.x.shape[1], values["width"], values["latent_dim"], dropout)
        self.adam = torch.optim.Adam(self.model.parameters(), lr=values["learning_rate"])
        self.batch, self.order, self.at = values["batch_size"], torch.randperm(len(self.x)), 0

    def step(self) -> float:
        """One step; returns the loss."""
        if self.at >= len(self.x):
            self.order, self.at = torch.randperm(len(self.x)), 0
        x = self.x[self.order[self.at : self.at + self.batch]]
        self.at += self.batch
        self.adam.zero_grad()
        loss = self.model(x)
        loss.backward()
        self.adam.step()
        return float(loss.item())


def step_ratio(rounds: int = 8, steps: int = 150) -> float:
    """Time of a step of ours over the plain one's: the median over rounds that take turns."""
    torch.set_num_threads(1)
    run = Run.start("vae", open_data("digits"), {})
    plain = PlainLoop(dict(run.values))

    def time_of(step: Any) -> float:
        begin = time.perf_counter()
        for _ in range(steps):
            step()
        return time.perf_counter() - begin

    time_of(run.learner.step), time_of(plain.step)
    ratios = sorted(time_of(run.learner.step) / time_of(plain.step) for _ in range(rounds))
    return (ratios[(rounds - 1) // 2] + ratios[rounds // 2]) / 2


def devices() -> tuple[str, ...]:
    """What the torch backend can run on here."""
    return next(b for b in installed().backends if b.name == "pytorch").devices()
