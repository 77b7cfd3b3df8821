import torch
from torch import nn

from convsmith.train.step.lamb import Lamb


def reference(weights: torch.Tensor, gradients: list[torch.Tensor], rate: float, decay: float) -> torch.Tensor:
    """Algorithm 2 of arXiv 1904.00962, a line at a time, in float64."""
    x, m, v = weights.double(), torch.zeros_like(weights).double(), torch.zeros_like(weights).double()
    for t, gradient in enumerate(gradients, 1):
        g = gradient.double()
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        r = (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-6) + decay * x
        trust = x.norm() / r.norm() if decay else 1.0
        x = x - rate * trust * r
    return x


def test_three_steps_are_the_papers() -> None:
    torch.manual_seed(0)
    decayed, plain = nn.Parameter(torch.randn(5, 4)), nn.Parameter(torch.randn(4))
    first = decayed.detach().clone(), plain.detach().clone()
    groups = [{"params": [decayed], "weight_decay": 0.1}, {"params": [plain], "weight_decay": 0.0}]
    optimizer = Lamb(groups, lr=0.01, eps=1e-6)
    gradients = [(torch.randn(5, 4), torch.randn(4)) for _ in range(3)]
    for one, other in gradients:
        decayed.grad, plain.grad = one, other
        optimizer.step()
    torch.testing.assert_close(decayed.double(), reference(first[0], [g for g, _ in gradients], 0.01, 0.1))
    torch.testing.assert_close(plain.double(), reference(first[1], [g for _, g in gradients], 0.01, 0.0))


def test_a_parameter_at_zero_moves() -> None:
    parameter = nn.Parameter(torch.zeros(3, 3))
    parameter.grad = torch.ones(3, 3)
    Lamb([{"params": [parameter], "weight_decay": 0.1}], lr=0.1).step()
    assert (parameter < 0).all()


def test_parameters_without_gradients_stay() -> None:
    parameter = nn.Parameter(torch.ones(2))
    Lamb([parameter], lr=0.1).step()
    assert torch.equal(parameter, torch.ones(2))
