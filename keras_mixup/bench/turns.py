"""Fair timing on a machine that does other things too.

Contenders take turns in one process, and ratios are taken turn by turn before their median is: whatever else the
machine does hits all of them alike. The first turn of each, which traces and compiles, does not count.
"""

import statistics
import time

FEWEST_ROUNDS = 3


def take_turns(contenders, seconds):
    """Let contenders work in turn.

    Args:
        contenders: Dict of functions without arguments, by name. Each works once, for long enough to be timed, and
            returns a dict of figures, such as `{"ms": 3.2}`.
        seconds: For how long; they have `FEWEST_ROUNDS` turns in any case.

    Returns:
        For each contender a dict of lists of its figures. Entries at the same place were measured one right after the
        other.
    """
    for once in contenders.values():
        once()
    samples = {name: [] for name in contenders}
    order = list(contenders)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(samples[order[0]]) < FEWEST_ROUNDS:
        for name in order:
            samples[name].append(contenders[name]())
        order.append(order.pop(0))  # nobody always comes after the same one
    return {name: {key: [turn[key] for turn in turns] for key in turns[0]} for name, turns in samples.items()}


def timed(work, times=1):
    """Work several times; wall time and processor time of all cores together, in ms each."""
    start, start_cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        work()
    end, end_cpu = time.perf_counter(), time.process_time()
    return {"ms": 1e3 * (end - start) / times, "cpu_ms": 1e3 * (end_cpu - start_cpu) / times}


def summary(samples):
    """For each contender the median of each of its figures, and the quartiles of `ms`."""
    return {
        name: {
            **{key: None if None in values else statistics.median(values) for key, values in lists.items()},
            "ms_quartiles": quartiles(lists["ms"]),
        }
        for name, lists in samples.items()
    }


def ratios(samples, above, below, figure="ms"):
    """How many times as long as another a contender took, turn by turn."""
    return [a / b for a, b in zip(samples[above][figure], samples[below][figure], strict=True)]


def percent_more(samples, above, below):
    """How many percent longer than another a contender took: the median over turns, and the quartiles."""
    more = [100 * (ratio - 1) for ratio in ratios(samples, above, below)]
    return statistics.median(more), *quartiles(more)


def quartiles(values):
    """The first and the third."""
    return statistics.quantiles(values, n=4, method="inclusive")[::2]
