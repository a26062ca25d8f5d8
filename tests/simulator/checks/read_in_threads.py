"""Reads two simulated GPUs from eight threads and prints what did not fit together.

The state is rewritten meanwhile: step n has utilization n, 10 n MiB of used memory, and processes
whose memory in MiB is their pid. Prints how many different steps were seen, and the misfits.

nvidia-ml-py asks how many processes there are, leaves room for twice as many, and asks again. That
the list outgrew the room in between is NVML's own answer and no misfit; it is then read again.
"""

import threading

import pynvml

TURNS = 1500
MIB = 2**20

misfits: list[object] = []
steps: set[int] = set()


def list_processes(handle: object) -> list[object]:
    """Read the processes of a GPU, again if the list grew meanwhile."""
    while True:
        try:
            return list(pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
        except pynvml.NVMLError as error:
            if error.value != pynvml.NVML_ERROR_INSUFFICIENT_SIZE:
                raise


def read(handles: list[object]) -> None:
    """Takes readings, each of which must be of one step."""
    for turn in range(TURNS):
        handle = handles[turn % len(handles)]
        try:
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle, pynvml.nvmlMemory_v2)
            rates = pynvml.nvmlDeviceGetUtilizationRates(handle)
            processes = list_processes(handle)
        except pynvml.NVMLError as error:
            misfits.append(str(error))
            continue
        used = memory.used // MIB
        if memory.total != memory.used + memory.free + memory.reserved or used % 10:
            misfits.append(("memory", used))
        if rates.gpu > 50:
            misfits.append(("utilization", rates.gpu))
        pids = [process.pid for process in processes]
        if pids != [process.usedGpuMemory // MIB for process in processes]:
            misfits.append(("processes", pids))
        steps.add(used // 10)


def main() -> None:
    """Runs the threads."""
    pynvml.nvmlInit()
    handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in (0, 1)]
    threads = [threading.Thread(target=read, args=(handles,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(len(steps), misfits[:5])


if __name__ == "__main__":
    main()
