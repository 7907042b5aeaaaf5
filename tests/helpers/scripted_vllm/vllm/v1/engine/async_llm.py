import json
import os
from types import SimpleNamespace

from transformers import AutoTokenizer

TEXT = os.environ.get("SCRIPTED_VLLM_TEXT", "So \\boxed{7}.\n</think>")
WATCHED = ("VLLM_WORKER_MULTIPROC_METHOD", "VLLM_USE_FLASHINFER_SAMPLER")


class AsyncLLM:
    errored = False

    @classmethod
    def from_engine_args(cls, chosen, stat_loggers=None):
        if os.environ.get("SCRIPTED_VLLM_BROKEN"):
            raise RuntimeError("CUDA error: no kernel image is available")
        with open(os.environ["SCRIPTED_VLLM_LOG"], "a") as file:  # noqa: PTH123
            started = {name: os.environ.get(name) for name in WATCHED} | {"arguments": chosen.arguments}
            file.write(json.dumps(started, default=str) + "\n")
        llm = cls()
        llm.tokenizer = AutoTokenizer.from_pretrained(chosen.arguments["model"])
        llm.model_config = SimpleNamespace(max_model_len=chosen.arguments.get("max_model_len", 1024))
        return llm

    async def generate(self, prompt, parameters, request_id):
        ids = tuple(self.tokenizer(TEXT, add_special_tokens=False)["input_ids"])[: parameters.max_tokens]
        yield SimpleNamespace(outputs=[SimpleNamespace(token_ids=ids, finish_reason="stop")])

    async def abort(self, request_ids):
        pass

    def shutdown(self):
        pass
