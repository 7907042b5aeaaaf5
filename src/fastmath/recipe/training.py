"""What the sections of both trainings have in common: how they are launched, and what is trained."""

from typing import Any, Literal

from pydantic import Field

from fastmath.recipe.section import Section


class LoraSettings(Section):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) instead of all weights, for a GPU that cannot hold more.

    The adapters are merged into the weights at the end, so that the product is an ordinary checkpoint.

    Attributes:
        rank: rank of the two matrices that stand for a layer's change.
        alpha: factor of the change, divided by the rank.
        dropout: dropout of the adapters' inputs.
        targets: names of the layers with adapters, for example `[q_proj, v_proj]`, or `all-linear`, all of a block.
    """

    rank: int = Field(32, ge=1)
    alpha: float = Field(64.0, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"


class LaunchSettings(Section):
    """What replaces settings of the accelerate file, by the names that `accelerate launch` has for them.

    Attributes:
        num_processes: number of training processes on all nodes together.
        num_machines: number of nodes, on each of which an equal part of the processes runs.
        main_process_ip: address of the first node; required by several.
        main_process_port: port of the first node at which the processes meet; None takes a free one of one node.
        mixed_precision: precision of the computation, which `bf16` and `fp16` of the trainer replace again.
    """

    num_processes: int | None = Field(None, ge=1)
    num_machines: int | None = Field(None, ge=1)
    main_process_ip: str | None = None
    main_process_port: int | None = Field(None, ge=0, lt=2**16)
    mixed_precision: Literal["no", "fp16", "bf16"] | None = None


class TrainingSettings(Section):
    """Launch and settings of one training.

    Attributes:
        lora: adapters that are trained in place of the weights; None trains all weights.
        accelerate: name of a file in `configs/accelerate`, or a path to one, which says how many processes train.
        launch: what replaces settings of that file, such as `{num_processes: 4}` on a machine with four GPUs.
        environment: environment variables of the training processes, set over the inherited ones.
        trainer: arguments of TRL's SFTConfig or GRPOConfig by TRL's names. `output_dir`, `seed`, `run_name` and
            `reward_weights` are set by the run and refused here.
    """

    lora: LoraSettings | None = None
    accelerate: str = "cpu"
    launch: LaunchSettings = LaunchSettings()
    environment: dict[str, str] = Field(default_factory=dict)
    trainer: dict[str, Any] = Field(default_factory=dict)
