"""Trains the same predictor on the same files with PyTorch, and says what a step takes.

python3 torch_training.py '{"train": FILE, "heldOut": FILE, "rank": R, "threads": N, "passes": N,
                            "byHand": false}'

Without byHand: modules, automatic differentiation and torch.optim.Adam, as one would write it.
With byHand: slopes and Adam written out, with as few passes over memory as PyTorch allows.
"""
import json
import struct
import sys
import time

import numpy
import torch
from torch.nn.functional import softplus

BATCH = 256
RATE = 5e-3  # of the root mean square of a matrix
BIAS_RATE = 5e-2
WARM_UP = 50
DECAYS = (0.9, 0.99)
EPSILON = 1e-12
MOST = 100.0
PRICE = 0.2  # of the mean value of a firing


def read_samples(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()

    def tensor(name, kind):
        entry = header[name]
        begin, end = entry["data_offsets"]
        return numpy.frombuffer(data[begin:end], kind).reshape(entry["shape"])

    x = torch.from_numpy(tensor("x", numpy.float16).copy())
    n_ff = json.loads(header["__metadata__"]["model"])["n_ff"][0]
    fires = numpy.unpackbits(tensor("fires", numpy.uint8), axis=1, bitorder="little")[:, :n_ff]
    h = numpy.zeros(fires.shape, numpy.float16)
    h[fires.astype(bool)] = tensor("values", numpy.float16)
    return x, torch.from_numpy(h)


def random_start(x, rank, n_ff):
    torch.manual_seed(0)
    d_model = x.shape[1]
    size = x.float().pow(2).sum(1).mean().sqrt()
    down = torch.randn(rank, d_model) / size
    up = torch.randn(n_ff, rank) / rank**0.5
    return [down, up, torch.full((n_ff,), -1.0)]


def rates(weights):
    down, up, _ = weights
    return [RATE * down.pow(2).mean().sqrt().item(), RATE * up.pow(2).mean().sqrt().item(), BIAS_RATE]


def speed(step, steps):
    return min(1.0, (step + 1) / WARM_UP) * (1 - step / steps)


class ByModules:
    def __init__(self, weights):
        down, up, bias = weights
        self.down = torch.nn.Linear(down.shape[1], down.shape[0], bias=False)
        self.up = torch.nn.Linear(up.shape[1], up.shape[0])
        with torch.no_grad():
            self.down.weight.copy_(down)
            self.up.weight.copy_(up)
            self.up.bias.copy_(bias)
        self.rates = rates(weights)
        parameters = [self.down.weight, self.up.weight, self.up.bias]
        self.adam = torch.optim.Adam([{"params": [p]} for p in parameters], betas=DECAYS, eps=EPSILON)

    def loss(self, x, w):
        s = self.up(torch.relu(self.down(x)))
        return ((1 + w) * softplus(s) - w * s).sum() / len(x)

    def step(self, x, w, at):
        for group, rate in zip(self.adam.param_groups, self.rates):
            group["lr"] = rate * at
        loss = self.loss(x, w)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        self.adam.step()


class ByHand:
    def __init__(self, weights):
        self.weights = [w.clone() for w in weights]
        self.rates = rates(weights)
        self.means = [torch.zeros_like(w) for w in weights]
        self.squares = [torch.zeros_like(w) for w in weights]
        self.done = 0

    def scores(self, x):
        down, up, bias = self.weights
        hidden = torch.relu(x @ down.T)
        return hidden, torch.addmm(bias, hidden, up.T)

    def loss(self, x, w):
        _, s = self.scores(x)
        return ((1 + w) * softplus(s) - w * s).sum() / len(x)

    def step(self, x, w, at):
        hidden, s = self.scores(x)
        slopes = (torch.sigmoid(s).mul_(1 + w).sub_(w)).div_(len(x))
        hidden_slopes = (slopes @ self.weights[1]).mul_(hidden > 0)
        all_slopes = [hidden_slopes.T @ x, slopes.T @ hidden, slopes.sum(0)]
        self.done += 1
        for value, slope, mean, square, rate in zip(
            self.weights, all_slopes, self.means, self.squares, self.rates
        ):
            mean.mul_(DECAYS[0]).add_(slope, alpha=1 - DECAYS[0])
            square.mul_(DECAYS[1]).addcmul_(slope, slope, value=1 - DECAYS[1])
            root = (square / (1 - DECAYS[1] ** self.done)).sqrt_().add_(EPSILON)
            value.addcdiv_(mean, root, value=-rate * at / (1 - DECAYS[0] ** self.done))


def main():
    task = json.loads(sys.argv[1])
    torch.set_num_threads(task["threads"])
    x, h = read_samples(task["train"])
    held_out_x, held_out_h = read_samples(task["heldOut"])
    price = PRICE * h[h > 0].float().mean()
    weights_of = lambda part: (part.float() / price).clamp_(max=MOST)
    start = random_start(x, task["rank"], h.shape[1])
    model = ByHand(start) if task["byHand"] else ByModules(start)
    if task["byHand"]:
        torch.set_grad_enabled(False)
    per_pass = len(x) // BATCH
    steps = task["passes"] * per_pass
    done, losses = 0, []
    begin = begin_cpu = 0.0
    for epoch in range(task["passes"]):
        if epoch == 1:  # the first warms up and is not counted
            begin, begin_cpu = time.perf_counter(), time.process_time()
        order = torch.randperm(len(x))
        for i in range(per_pass):
            rows = order[i * BATCH : (i + 1) * BATCH]
            model.step(x[rows].float(), weights_of(h[rows]), speed(done, steps))
            done += 1
        with torch.no_grad():
            losses.append(model.loss(held_out_x.float(), weights_of(held_out_h)).item())
    counted = steps - per_pass
    print(
        json.dumps(
            {
                "stepMs": 1000 * (time.perf_counter() - begin) / counted,
                "cpuStepMs": 1000 * (time.process_time() - begin_cpu) / counted,
                "losses": losses,
                "about": f"PyTorch {torch.__version__}",
                "cpuMs": 1000 * time.process_time(),
            }
        )
    )


main()
