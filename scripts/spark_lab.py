"""A standalone Spark of one's own on 127.0.0.1, for scripts that stream with it, and workers that answer garbage when they are told to.

PYSPARK_PYTHON=FILE names the Python that has pyspark (python3 unless set).
"""
import contextlib, os, shutil, sqlite3, subprocess, tarfile, tempfile, time

from kafka_lab import free_ports, require

PYTHON = shutil.which(os.environ.get("PYSPARK_PYTHON", "python3"))


def missing():
    """What is needed and not there, as one line; None where all is there."""
    if not PYTHON or subprocess.run([PYTHON, "-c", "import pyspark"], capture_output=True).returncode:
        return "there is no pyspark: pip install pyspark==4.2.0, or PYSPARK_PYTHON=FILE"
    return None if shutil.which("java") else "there is no Java: apt-get install openjdk-17-jre-headless"


def environment(**more):
    return {**os.environ, "PYSPARK_PYTHON": PYTHON, "PYSPARK_DRIVER_PYTHON": PYTHON, "SPARK_LOCAL_IP": "127.0.0.1", **more}


class Standalone:
    """A master and workers of some cores each; a context."""

    def __init__(self, workers=2, cores=1):
        home = subprocess.run([PYTHON, "-c", "import pyspark; print(pyspark.__path__[0])"], check=True, capture_output=True, text=True)
        self.home, self.workers, self.cores = home.stdout.strip(), workers, cores
        self.folder, self.port, self.processes = tempfile.mkdtemp(prefix="taxi-spark-lab-"), free_ports(1), []

    def __enter__(self):
        self.url = f"spark://127.0.0.1:{self.port}"
        self.start("org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(self.port), "--webui-port", str(self.port + 1))
        for _ in range(self.workers): self.add_worker()
        return self

    def add_worker(self, **variables):
        """A worker, whose executors have further environment variables."""
        self.start("org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--cores", str(self.cores), "--memory", "2g", "--webui-port", "0",
                   "--work-dir", self.folder, self.url, **variables)

    def start(self, *words, **variables):
        with open(os.path.join(self.folder, "log"), "a") as log:
            self.processes.append(subprocess.Popen(
                [os.path.join(self.home, "bin/spark-class"), *words], env=environment(SPARK_LOG_DIR=self.folder, **variables),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True))

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
            try: process.wait(20)
            except subprocess.TimeoutExpired: process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def executors(self):
        """The process numbers of the executors that run."""
        return [pid for process in self.processes for pid in processes(process.pid, ["CoarseGrainedExecutorBackend"])]


class Tenant:
    """A new tenant, and what is run for it."""

    def __init__(self, program, folder, name, servers, config=None):
        self.program, self.name, self.home = program, name, os.path.join(folder, "home")
        self.broker = ["--broker", servers, *(["--broker-config", config] if config else [])]
        os.makedirs(folder, exist_ok=True)
        self.log, self.path = os.path.join(folder, f"{name}.log"), f"{self.home}/{name}/results.db"
        self.run("tenant", "create", name)

    def words(self, words):
        """The tenant is named as one is created, and else said."""
        mine = [] if words[0] == "tenant" else ["--tenant", self.name]
        return [self.program, *words, "--home", self.home, *self.broker, *mine]

    def run(self, *words, check=True):
        ended = subprocess.run(self.words(words), env=environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        require(not check or ended.returncode == 0, f"{' '.join(words)}: {ended.returncode}\n{ended.stderr[-2000:]}")
        return ended

    def start(self, *words):
        with open(self.log, "a") as log:
            return subprocess.Popen(self.words(words), env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def results(self):
        """A context: its results, to read."""
        return contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True))


def processes(root, wanted):
    """The numbers of processes below `root`, or anywhere where it is None, whose command line has all the texts."""
    parents, lines = {}, {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file: parents[int(name)] = int(file.read().rsplit(")", 1)[1].split()[1])
            with open(f"/proc/{name}/cmdline", "rb") as file: lines[int(name)] = file.read().decode("utf-8", "replace").replace("\0", " ")
        except (OSError, IndexError): continue
    def below(pid):
        while pid in parents:
            if pid == root: return True
            pid = parents[pid]
        return False
    return [pid for pid, line in lines.items() if all(text in line for text in wanted) and (root is None or below(pid))]


GARBAGE = ["text", "nothing", "cut", "a bit", "twice", "the request", "another range"]

# Answers in place of the program, once: the file that is its first argument says how.
LIAR = r'''
import os, random, subprocess, sys
order, program, words = sys.argv[1], sys.argv[2], sys.argv[3:]
kind = open(order).read()
request = sys.stdin.buffer.read()
answer = subprocess.run([program, *words], input=request, stdout=subprocess.PIPE, check=True).stdout
kept = os.path.join(os.path.dirname(order), "earlier")
earlier = open(kept, "rb").read() if os.path.exists(kept) else b"TXWK"
open(kept, "wb").write(answer)
bit = random.randrange(8 * len(answer))
flipped = bytearray(answer)
flipped[bit // 8] ^= 1 << bit % 8
sys.stdout.buffer.write({"text": b"java.lang.OutOfMemoryError: Java heap space\n", "nothing": b"", "cut": answer[:random.randrange(1, len(answer))],
                         "a bit": bytes(flipped), "twice": answer + answer, "the request": request, "another range": earlier}[kind])
'''


class Liars:
    """An archive for executors whose program is the true one, unless it finds an order to answer garbage."""

    def __init__(self, program):
        self.folder = tempfile.mkdtemp(prefix="taxi-liars-")
        self.order, self.archive = os.path.join(self.folder, "order"), os.path.join(self.folder, "archive.tar.gz")
        liar, script = os.path.join(self.folder, "liar.py"), os.path.join(self.folder, "taxi-cli")
        with open(liar, "w") as file: file.write(LIAR)
        with open(script, "w") as file:
            file.write(f"#!/bin/sh\nif mv '{self.order}' '{self.order}'.$$ 2>/dev/null; then\n"
                       f"    exec '{PYTHON}' '{liar}' '{self.order}'.$$ '{program}' \"$@\"\nfi\nexec '{program}' \"$@\"\n")
        os.chmod(script, 0o755)
        with tarfile.open(self.archive, "w:gz") as archive: archive.add(script, "bin/taxi-cli")

    def lie(self, numbers, seconds=60):
        """Has the next worker answer garbage of some kind; whether one began to within so many seconds."""
        with open(self.order + ".new", "w") as file: file.write(numbers.choice(GARBAGE))
        os.rename(self.order + ".new", self.order)
        end = time.monotonic() + seconds
        while os.path.exists(self.order):
            if time.monotonic() < end:
                time.sleep(0.02)
                continue
            try: os.unlink(self.order)
            except FileNotFoundError: break
            return False
        return True

    def remove(self): shutil.rmtree(self.folder, ignore_errors=True)
