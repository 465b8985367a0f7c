"""Running programs one after the other, each with its own account of CPU time and memory."""

import importlib.metadata
import importlib.util
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tables import Wrong

HERE = Path(__file__).parent
# The name a package is imported under, where it is another.
IMPORTED = {"scikit-learn": "sklearn", "xgboost-cpu": "xgboost", "interpret-core": "interpret"}
CORES = sorted(os.sched_getaffinity(0))
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "RAYON_NUM_THREADS")


def pin(threads):
    """Leaves this process, and all that it starts, so many cores; answers how many."""
    if not 1 <= threads <= len(CORES):
        raise Wrong(f"{threads} threads are asked for, and there are {len(CORES)} cores")
    os.sched_setaffinity(0, CORES[:threads])
    os.environ.update({name: str(threads) for name in POOLS})
    return threads


def run(command, given=None):
    """What a program answers as JSON, the CPU seconds of its whole life, and its peak memory in MB."""
    command = [str(word) for word in command]
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        stdin.write(json.dumps(given).encode())
        stdin.seek(0)
        try:
            child = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr)
        except OSError as error:
            raise Wrong(f"{command[0]} does not start: {error.strerror}") from error
        # Of this one child, where getrusage(RUSAGE_CHILDREN) would add up all and keep the largest memory.
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        stderr.seek(0)
        if child.returncode:
            said = stderr.read().decode(errors="replace").strip().splitlines()
            raise Wrong(f"{' '.join(command)} ended with {child.returncode}: {said[-1] if said else 'without a word'}")
        try:
            answer = json.load(stdout)
        except ValueError as error:
            raise Wrong(f"{' '.join(command)} answered no JSON") from error
    return answer, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def peer(module, request):
    """The answer of one of the modules beside this one, run in a process of its own."""
    return run([sys.executable, HERE / f"{module}.py"], request)


def answer(respond):
    """The other side of [`peer`]: reads the request, prints what `respond` says of it."""
    request = json.load(sys.stdin)
    # Libraries print; standard output holds the answer alone.
    stdout, sys.stdout = os.dup(1), sys.stderr
    os.dup2(2, 1)
    with os.fdopen(stdout, "w") as file:
        json.dump(respond(request), file)


def cpu():
    """CPU seconds of this process so far, all of its threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def said(command):
    """The one line that a program prints."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise Wrong(f"{command[0]} cannot be run: {error}") from error


def pins():
    """The packages of requirements.txt and their versions."""
    lines = (line.split("#")[0].strip() for line in (HERE / "requirements.txt").read_text().splitlines())
    return dict(line.split("==") for line in lines if line)


def versions(packages):
    """The versions that are installed; refuses when one is missing."""
    missing = [name for name in packages if importlib.util.find_spec(IMPORTED.get(name, name)) is None]
    if missing:
        raise Wrong(f"not installed: {', '.join(missing)}. Run: {sys.executable} -m pip install -r {HERE / 'requirements.txt'}")
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def machine():
    """What this runs on."""
    model = "unknown"
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
