"""What the files in `configs/accelerate` say: how many processes train, where, and what they share."""

from dataclasses import dataclass

import yaml

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import find_accelerate_file
from fastmath.recipe.sections import TrainingSettings


@dataclass(frozen=True)
class Launch:
    """How a training is launched.

    Attributes:
        processes: number of training processes on all machines together; on GPUs one of each.
        on_cpu: whether the processes are kept from the GPUs.
        zero_stage: DeepSpeed's stage of sharing; 0 without DeepSpeed.
        deepspeed: whether DeepSpeed trains.
    """

    processes: int
    on_cpu: bool = False
    zero_stage: int = 0
    deepspeed: bool = False


def read_launch(settings: TrainingSettings) -> Launch:
    """Read the accelerate file of a training.

    Raises:
        SettingsError: the file does not exist or does not give a positive number of processes.
    """
    path = find_accelerate_file(settings.accelerate)
    content = yaml.safe_load(path.read_text()) or {}
    processes = content.get("num_processes")
    if not isinstance(processes, int) or processes < 1:
        raise SettingsError(f"{path} has `num_processes: {processes}`; want the number of training processes")
    deepspeed = content.get("deepspeed_config") or {}
    return Launch(
        processes=processes,
        on_cpu=bool(content.get("use_cpu")),
        zero_stage=deepspeed.get("zero_stage") or 0,
        deepspeed=content.get("distributed_type") == "DEEPSPEED",
    )
