"""Start-up code of processes that tests watch: it writes down when CUDA is touched, as on a machine with a GPU.

torch's ways to CUDA are replaced: counting devices, unless it is told to ask through NVML, and initialising. Both make
a forked process unable to use CUDA (`torch/cuda/__init__.py`).
"""

import importlib.abc
import importlib.util
import os
import sys
import traceback

LOG = os.environ.get("SCRIPTED_VLLM_LOG")


def _touch(name):
    def touched(*_):
        with open(LOG, "a") as file:  # noqa: PTH123 - pathlib would be imported at every start of Python
            file.write(f"cuda touched by {name}: {[frame.filename for frame in traceback.extract_stack()[-4:-1]]}\n")
        return False

    return touched


def _unless_by_nvml(touch):
    return lambda: False if os.environ.get("PYTORCH_NVML_BASED_CUDA_CHECK") == "1" else touch()


class _Finder(importlib.abc.MetaPathFinder):
    """Replaces what `torch.cuda` finds in torch's compiled code, as soon as it is imported."""

    def find_spec(self, name, path=None, target=None):
        if name != "torch.cuda":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            for name in ("is_available", "device_count"):
                setattr(module, name, _unless_by_nvml(_touch(name)))
            module._lazy_init = module.init = _touch("_lazy_init")

        spec.loader.exec_module = exec_module
        return spec


if LOG:
    sys.meta_path.insert(0, _Finder())
