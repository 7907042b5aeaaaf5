import enum


class RequestOutputKind(enum.Enum):
    DELTA = 1
