"""A histogram of plain integers."""

from bisect import bisect_left

from prometheus_client.core import HistogramMetricFamily, Metric


class Histogram:
    """Counts durations by the smallest bound that holds them."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def family(self, name: str, text: str) -> Metric:
        """Return it in Prometheus' words: each bucket holds those below it, too."""
        family = HistogramMetricFamily(name, text)
        total, buckets = 0, []
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric([], buckets, self._sum)
        return family
