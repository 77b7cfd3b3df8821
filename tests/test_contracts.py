"""What importing costs, and that every op is known to every backend."""

import subprocess
import sys


def modules_after(statement):
    code = f"{statement}; import sys; print(' '.join(sys.modules))"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()


def test_importing_convsmith_loads_neither_torch_nor_numpy():
    loaded = modules_after("import convsmith; convsmith.cost_of(convsmith.create('resnet50')).macs")
    assert "torch" not in loaded
    assert "numpy" not in loaded


def test_the_command_line_loads_torch_only_inside_the_verbs_that_need_it():
    loaded = modules_after("import convsmith.cli.main")
    assert "torch" not in loaded
    assert "numpy" not in loaded
    assert "onnx" not in loaded
