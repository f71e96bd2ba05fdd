"""pools.py MODE KIND: figures of Python's ThreadPoolExecutor (threads) or ProcessPoolExecutor
(processes), taken as tidepool's are. KIND is threads or processes.

Prints lines of name, tab, value. Fewer tasks are run than by tidepool where Python needs longer.

SPDX-License-Identifier: MIT
"""
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

quick = sys.argv[1] == "quick"
processes = sys.argv[2] == "processes"
Pool = ProcessPoolExecutor if processes else ThreadPoolExecutor
now = time.perf_counter


def noop():
    pass


def echo(value):
    return value


def burn(steps):
    x = 1
    for _ in range(steps):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
    return x


def next_to(x):
    return x + 1


def emit(name, value):
    print(f"{name}\t{value:.9g}", flush=True)


def median(samples):
    return sorted(samples)[(len(samples) - 1) // 2]


def quantile(samples, q):
    return sorted(samples)[int(q * (len(samples) - 1))]


def times(repeats, fn, *args):
    samples = []
    for _ in range(repeats):
        start = now()
        fn(*args)
        samples.append(now() - start)
    return samples


def round_trips():
    with Pool(1) as pool:
        def round_trip():
            pool.submit(noop).result()
        times(100, round_trip)
        samples = times(300 if quick else 3000, round_trip)
        emit("roundtrip_p50", median(samples))
        emit("roundtrip_p99", quantile(samples, 0.99))


def throughput():
    tasks = 20000
    if processes:
        tasks = 1000 if quick else 5000

    def submit_and_collect(pool):
        for future in [pool.submit(noop) for _ in range(tasks)]:
            future.result()
    with Pool(2) as pool:
        submit_and_collect(pool)
        samples = times(1 if quick else 3, submit_and_collect, pool)
        emit("tasks_per_second", tasks / median(samples))


def tiny_items():
    items = list(range(1, 1000001))

    def run(pool):
        total = sum(pool.map(next_to, items, chunksize=1000))
        assert total == len(items) * (len(items) + 3) // 2
    with Pool(2) as pool:
        sum(pool.map(next_to, items[:100000], chunksize=1000))
        if not quick:
            run(pool)
        emit("items_per_second", len(items) / median(times(1 if quick else 3, run, pool)))


def payloads():
    records = [{"id": i, "name": f"name{i}", "tags": ["a", "b"]} for i in range(1, 10001)]
    with Pool(1) as pool:
        for name, value, repeats in (
            ("string_1mib", b"x" * (1 << 20), 20),
            ("string_64mib", b"x" * (64 << 20), 2),
            ("integers", list(range(1, 100001)), 10),
            ("floats", [i + 0.5 for i in range(1, 100001)], 10),
            ("records", records, 10),
        ):
            back = []

            def there_and_back():
                back[:] = [pool.submit(echo, value).result()]
            if not quick:
                there_and_back()
            samples = times(max(1, repeats // 5) if quick else repeats, there_and_back)
            assert back[0] == value
            emit("payload_" + name, median(samples))


def cpu():
    tasks = 16 if quick else 64
    steps = int(200000 * 0.020 / median(times(9, burn, 200000)))
    expected = burn(steps)
    alone = together = 0
    with Pool(2) as pool:
        for future in [pool.submit(noop) for _ in range(2)]:
            future.result()
        for _ in range(1 if quick else 2):
            start = now()
            for _ in range(tasks):
                burn(steps)
            alone += now() - start
            start = now()
            for future in [pool.submit(burn, steps) for _ in range(tasks)]:
                assert future.result() == expected
            together += now() - start
    emit("cpu_speedup", alone / together)


def sleeps():
    def run(pool):
        for future in [pool.submit(time.sleep, 0.010) for _ in range(200)]:
            future.result()
    with Pool(50) as pool:
        run(pool)
        emit("sleeps", median(times(1 if quick else 5, run, pool)))


def startup():
    def one_task():
        with Pool(8) as pool:
            pool.submit(noop).result()
    one_task()
    emit("startup_one_task", median(times(2 if quick else 5 if processes else 20, one_task)))


if __name__ == "__main__":
    round_trips()
    throughput()
    if processes:  # those of threads have no chunks, and are the same object there and back
        tiny_items()
        payloads()
    cpu()
    if not processes:  # fifty processes for sleeping are not what anybody wants
        sleeps()
    startup()
