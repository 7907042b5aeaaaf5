"""What the files in `configs/accelerate` and a recipe say: how many processes train, where, and what they share."""

from dataclasses import dataclass

import yaml

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import find_accelerate_file
from fastmath.recipe.training import TrainingSettings


@dataclass(frozen=True)
class Launch:
    """How a training is launched.

    Attributes:
        processes: number of training processes on all machines together; on GPUs one of each.
        on_cpu: whether the processes are kept from the GPUs.
        zero_stage: DeepSpeed's stage of sharing; 0 without DeepSpeed.
        deepspeed: whether DeepSpeed trains.
        nodes: number of machines that train together.
        address: address of the first of several nodes; None where it is not known.
    """

    processes: int
    on_cpu: bool = False
    zero_stage: int = 0
    deepspeed: bool = False
    nodes: int = 1
    address: str | None = None

    def require_address(self) -> None:
        """Refuse several nodes that do not know where the first one is; a plan can do without.

        Raises:
            SettingsError: the address is not set.
        """
        if self.nodes > 1 and not self.address:
            raise SettingsError(
                f"the training has {self.nodes} nodes, and `launch.main_process_ip` of its section is not set; want "
                "the address of the first one"
            )


def read_launch(settings: TrainingSettings) -> Launch:
    """Read the accelerate file of a training, with what the recipe sets in its place.

    Raises:
        SettingsError: the file does not exist or does not give a positive number of processes; or several nodes do not
            share them evenly.
    """
    path = find_accelerate_file(settings.accelerate)
    content = (yaml.safe_load(path.read_text()) or {}) | settings.launch.model_dump(exclude_none=True)
    processes, nodes = content.get("num_processes"), content.get("num_machines") or 1
    if not isinstance(processes, int) or processes < 1:
        raise SettingsError(f"{path} has `num_processes: {processes}`; want the number of training processes")
    if processes % nodes:
        raise SettingsError(
            f"{processes} training processes (`num_processes`) do not divide between {nodes} nodes (`num_machines`)"
        )
    deepspeed = content.get("deepspeed_config") or {}
    return Launch(
        processes=processes,
        on_cpu=bool(content.get("use_cpu")),
        zero_stage=deepspeed.get("zero_stage") or 0,
        deepspeed=content.get("distributed_type") == "DEEPSPEED",
        nodes=nodes,
        address=content.get("main_process_ip"),
    )
