"""The metrics of process, interpreter, container, thread pools and event loops.

What prometheus_client has (its process, platform and garbage collectors) keeps its name, what OpenTelemetry names is
called so in Prometheus' words, and the rest is ours. What tells of the container or the machine is the same in every
worker: such gauges are not added up, and such counters are written by the leader alone.
"""

from __future__ import annotations

from perfkit.core.families import Definition, GaugeMode, MetricType

__all__ = [
    "COLLECTED",
    "COLLECTIONS",
    "CPU_PERIODS",
    "CPU_QUOTA",
    "CPU_UTILIZATION",
    "DISK_FREE",
    "DISK_IO",
    "DISK_SIZE",
    "FAULTS",
    "GC_PAUSE",
    "MAX_FILES",
    "MEMORY_LIMIT",
    "MEMORY_USED",
    "POOL_BUSY",
    "POOL_THREADS",
    "POOL_WAITING",
    "PRESSURE",
    "PYTHON_INFO",
    "SWITCHES",
    "TASKS",
    "THROTTLED",
    "THROTTLED_PERIODS",
    "UNCOLLECTABLE",
    "VIRTUAL_MEMORY",
]


def _counter(name: str, description: str, *labels: str, unit: str = "") -> Definition:
    return Definition(name=name, type=MetricType.COUNTER, description=description, labels=labels, unit=unit)


def _gauge(name: str, description: str, *labels: str, unit: str = "", mode: GaugeMode = GaugeMode.SUM) -> Definition:
    return Definition(name=name, type=MetricType.GAUGE, description=description, labels=labels, unit=unit, mode=mode)


VIRTUAL_MEMORY = _gauge("process_virtual_memory_bytes", "Virtual memory of all live workers, in bytes.", unit="bytes")
MAX_FILES = _gauge("process_max_fds", "File descriptors that all live workers may have open.")
SWITCHES = _counter("process_context_switches_total", "Context switches of all workers.", "type")
FAULTS = _counter("process_paging_faults_total", "Page faults of all workers; a major one read the disk.", "type")
DISK_IO = _counter(
    "process_disk_io_bytes_total", "Bytes that the workers read from and wrote to disks.", "direction", unit="bytes"
)

COLLECTED = _counter("python_gc_objects_collected_total", "Objects collected during gc.", "generation")
UNCOLLECTABLE = _counter(
    "python_gc_objects_uncollectable_total", "Uncollectable objects found during gc.", "generation"
)
COLLECTIONS = _counter("python_gc_collections_total", "Number of times this generation was collected.", "generation")
GC_PAUSE = Definition(
    name="perfkit_gc_pause_seconds",
    type=MetricType.HISTOGRAM,
    description="How long the garbage collector stopped a worker, by the generation it collected.",
    labels=("generation",),
    unit="seconds",
    boundaries=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)
PYTHON_INFO = _gauge(
    "python_info",
    "1, labelled with the Python that runs the workers.",
    "implementation",
    "major",
    "minor",
    "patchlevel",
    "version",
    mode=GaugeMode.MAX,
)

CPU_QUOTA = _gauge(
    "perfkit_cpu_quota_cores",
    "Cores that the service may use: the container's quota, or those of the machine.",
    mode=GaugeMode.LATEST,
)
CPU_UTILIZATION = _gauge(
    "perfkit_cpu_utilization_ratio", "Part of these cores that the live workers use, 0 to 1.", unit="ratio"
)
CPU_PERIODS = _counter("perfkit_cpu_quota_periods_total", "Periods of the CPU quota in which the container ran.")
THROTTLED_PERIODS = _counter("perfkit_cpu_throttled_periods_total", "Those in which the quota stopped the container.")
THROTTLED = _counter(
    "perfkit_cpu_throttled_seconds_total",
    "Time for which the CPU quota stopped threads of the container.",
    unit="seconds",
)
MEMORY_LIMIT = _gauge(
    "perfkit_memory_limit_bytes",
    "Memory of the container, or of the machine where that has less or no limit.",
    unit="bytes",
    mode=GaugeMode.LATEST,
)
MEMORY_USED = _gauge(
    "perfkit_memory_used_bytes",
    "Memory of the container or machine in use, by whatever runs there, without what the kernel gives back at need.",
    unit="bytes",
    mode=GaugeMode.LATEST,
)
PRESSURE = _gauge(
    "perfkit_pressure_ratio",
    "Part of the last ten seconds in which something in the container waited for the resource, 0 to 1.",
    "resource",
    unit="ratio",
    mode=GaugeMode.LATEST,
)
DISK_FREE = _gauge(
    "perfkit_disk_free_bytes",
    "Free bytes of the file system of the working directory, and of the store's where it has files.",
    "place",
    unit="bytes",
    mode=GaugeMode.LATEST,
)
DISK_SIZE = _gauge(
    "perfkit_disk_size_bytes", "All bytes of that file system.", "place", unit="bytes", mode=GaugeMode.LATEST
)

POOL_THREADS = _gauge("perfkit_thread_pool_threads", "Threads that the pools of all live workers may have.", "pool")
POOL_BUSY = _gauge("perfkit_thread_pool_busy_threads", "Threads of these pools that work.", "pool")
POOL_WAITING = _gauge("perfkit_thread_pool_waiting_tasks", "Calls that wait for a thread of these pools.", "pool")
TASKS = _gauge("perfkit_event_loop_tasks", "Tasks of asyncio that are not done, by event loop of a worker.", "loop")
