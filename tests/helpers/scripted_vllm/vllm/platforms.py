from types import SimpleNamespace

current_platform = SimpleNamespace(
    is_unspecified=lambda: False,
    is_cuda=lambda: True,
    get_device_capability=lambda: SimpleNamespace(major=8, minor=9),
)
