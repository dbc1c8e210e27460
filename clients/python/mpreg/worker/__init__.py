"""Python functions that anybody can call through the server.

::

    worker = Worker("tcp://127.0.0.1:9001")

    @worker.function("stats.mean", version="1.2.0", pure=True)
    def mean(numbers: list[float]) -> float:
        "Mean of numbers."
        return sum(numbers) / len(numbers)

    asyncio.run(worker.run())
"""

from .worker import Worker

__all__ = ["Worker"]
