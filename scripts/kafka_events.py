"""What happens to clusters and homes beside kills, while a replay and a stream run: see scripts/fault-series-kafka --events."""
import collections, contextlib, json, os, random, re, shutil, signal, sqlite3, subprocess, time

from kafka_lab import *
from kafka_reference import check_views

# What a refusal must say, by event, beside exit code 65: what is wrong, or a way on. Events that are not here must not be noticed.
REFUSALS = {
    "group deleted": r"--from-beginning",
    "unread records deleted": r"offsets? \d+ to \d+ of partition \d+[\s\S]*--skip-lost",
    "topic recreated": r"--from-beginning",
    "older results.db": r"--from-beginning",
}
EVENTS = ["group deleted", "read records deleted", "unread records deleted", "partitions added", "topic recreated", "clock two hours off", "older results.db"]
REPLACED = re.compile(r"results\.db\" was removed, or replaced .* run the command again")
LOST = re.compile(r"offsets? (\d+) to (\d+) of partition (\d+)")
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def clock_library(folder):
    """What to preload so that a program has another clock: libfaketime, and before it the waits that it does not know. None where they are not to be had."""
    if not os.path.exists(FAKETIME) or not shutil.which("cc"): return None
    waits = os.path.join(folder, "waits.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", waits, os.path.join(ROOT, "scripts/faketime_waits.c")], check=True)
    return f"{waits} {FAKETIME}"


class EventSeries:
    """One tenant: a paced replay and a stream, both killed again and again, with an event after each kill."""

    def __init__(self, cluster, taxi, folder, tenant, seed, trips, rows, clocks):
        self.cluster, self.tenant, self.rows, self.clocks = cluster, tenant, rows, clocks
        self.random = random.Random(seed)
        self.home = os.path.join(folder, tenant)
        self.database = f"{self.home}/{tenant}/results.db"
        self.topic = f"{tenant}_ingestData"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("TAXI_")}
        self.environment.update({"TAXI_HOME": self.home, "TAXI_TENANT": tenant, "TAXI_BROKER": cluster.servers, "NO_COLOR": "1"})
        self.partitions = self.random.choice([1, 3])
        subprocess.run([taxi, "tenant", "create", tenant, "-q"], env=self.environment, check=True, stdout=subprocess.DEVNULL)
        self.make_topic()
        # A machine that stalls for seconds must not make a partition look idle: what comes late then is late by right.
        self.stream = [taxi, "stream", "-v", "--epoch", "20ms", "--idle-timeout", "10m"]
        self.produce = [taxi, "produce", trips, "--clock", "start", "--spread", "uniform", "--resume", "--rate", f"{max(50, rows // 120)}/s"]
        self.logs = {name: os.path.join(folder, f"{tenant}-{name}.log") for name in ("produce", "stream")}
        # Trips that are not in the topic any more, and those of them that the stream has not counted.
        self.deleted, self.lost = set(), set()
        self.begins_anew = False
        self.outcomes = collections.Counter()

    def make_topic(self):
        # Trips are of 2024: a broker that was told nothing removes them when it next looks.
        self.cluster.tool(
            "topics", "--bootstrap-server", self.cluster.servers, "--create", "--topic", self.topic, "--partitions", str(self.partitions),
            "--config", "retention.ms=-1")

    def start(self, name, words, environment=None):
        with open(self.logs[name], "a") as log:
            return subprocess.Popen(words, env=environment or self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    # MARK: - The events; each is called while the stream is down

    def offsets(self):
        """Where the stream goes on, by partition."""
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            states = [json.loads(state) for state, in database.execute("SELECT state FROM checkpoints")]
        places = [position["offsets"] for state in states for position in state["positions"].values()]
        return [min(offsets) for offsets in zip(*places)]

    def delete_records(self, offsets):
        before = self.cluster.messages(self.topic)
        path = os.path.join(self.home, "offsets.json")
        with open(path, "w") as file:
            json.dump({"version": 1, "partitions": [{"topic": self.topic, "partition": p, "offset": o} for p, o in enumerate(offsets)]}, file)
        self.cluster.tool("delete-records", "--bootstrap-server", self.cluster.servers, "--offset-json-file", path)
        gone = [(p, o, json.loads(value)["trip_id"]) for p, o, value in before if p < len(offsets) and o < offsets[p]]
        self.deleted |= {id for _, _, id in gone}
        return gone

    def delete_read(self): self.delete_records(self.offsets())

    def delete_unread(self):
        # The stream is down and the replay goes on: behind its place there is something soon.
        places, end = self.offsets(), time.monotonic() + 20
        while time.monotonic() < end:
            unread = [(p, o) for p, o, _ in self.cluster.messages(self.topic) if p < len(places) and o >= places[p]]
            if len(unread) > 20 or self.producing.poll() is not None: break
            time.sleep(0.2)
        targets = list(places)
        for partition, offset in unread[:len(unread) // 2 + 1]: targets[partition] = max(targets[partition], offset + 1)
        self.unread = self.delete_records(targets)

    def delete_groups(self):
        for group in self.cluster.groups(f"{self.tenant}_stream:"):
            self.cluster.tool("consumer-groups", "--bootstrap-server", self.cluster.servers, "--delete", "--group", group)

    def add_partitions(self):
        self.partitions += 1
        self.cluster.tool("topics", "--bootstrap-server", self.cluster.servers, "--alter", "--topic", self.topic, "--partitions", str(self.partitions))

    def recreate_topic(self):
        self.producing.kill()
        self.producing.wait()
        self.cluster.tool("topics", "--bootstrap-server", self.cluster.servers, "--delete", "--topic", self.topic)
        end = time.monotonic() + 30
        while any(topic["topic"] == self.topic for topic in self.cluster.metadata()["topics"]):
            require(time.monotonic() < end, "the topic was not deleted")
            time.sleep(0.2)
        self.make_topic()
        # The replay's place was kept with the topic; it begins anew, and so does all that is known of it.
        self.deleted, self.lost = set(), set()
        self.producing = self.start("produce", self.produce)

    def restore(self):
        """Puts the oldest copy in place of results.db; the newer one is kept beside it."""
        self.newer = self.database + ".newer"
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(self.database + suffix): shutil.move(self.database + suffix, self.newer + suffix)
        shutil.copy(self.copies[0], self.database)

    def put_back(self):
        for suffix in ("-wal", "-shm"):
            if os.path.exists(self.database + suffix): os.remove(self.database + suffix)
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(self.newer + suffix): shutil.move(self.newer + suffix, self.database + suffix)

    def copy(self):
        """A copy of results.db as it is, taken while the stream runs."""
        path = f"{self.database}.copy{len(self.copies)}"
        with contextlib.closing(sqlite3.connect(self.database)) as source, contextlib.closing(sqlite3.connect(path)) as target: source.backup(target)
        self.copies.append(path)

    def note(self, text):
        """In the log of the stream, for who looks for what went wrong."""
        with open(self.logs["stream"], "a") as log: log.write(f"--- {time.strftime('%H:%M:%S')} {text}\n")

    # MARK: - The way on

    def keep_producing(self):
        """Runs a replay again that has ended since the database with the record of its run was replaced, as it says."""
        code = self.producing.poll()
        if code == 74:
            with open(self.logs["produce"]) as log: said = log.read().strip().splitlines()[-2:]
            require(REPLACED.search(" ".join(said)), f"produce ended with 74: {said}")
            self.outcomes["older results.db: the replay ended, and was run again"] += 1
            self.producing = self.start("produce", self.produce)
        else: require(code in (None, 0), f"produce ended with {code}")

    def goes_on(self, streaming, seconds=20):
        """Whether the stream runs and has committed another epoch, or at least does not end."""
        before, end = self.epoch(), time.monotonic() + seconds
        while time.monotonic() < end and self.epoch() == before:
            if streaming.poll() is not None: return False
            time.sleep(0.1)
        return streaming.poll() is None

    def epoch(self):
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
                return database.execute("SELECT max(epoch) FROM checkpoints").fetchone()[0]
        except sqlite3.OperationalError: return None  # no table yet, or busy

    def restart(self, event, clock):
        """Starts the stream after an event, by the way that a refusal names where it refuses. Returns the stream."""
        place = os.path.getsize(self.logs["stream"])
        words, environment = self.stream, self.environment
        if clock:
            environment = {**environment, "LD_PRELOAD": self.clocks, "FAKETIME": clock, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
            # By way of a shell: the library changes the environment of the first program that it is loaded into, and Swift's runtime,
            # which looks for the arguments beside it, would find none.
            words = ["sh", "-c", 'exec "$@"', "sh", *words]
        streaming = self.start("stream", words, environment)
        if self.goes_on(streaming):
            self.outcomes[f"{event}: undisturbed"] += 1
            return streaming
        with open(self.logs["stream"]) as log: said = log.read()[place:]
        require(streaming.returncode == 65 and event in REFUSALS, f"after \"{event}\" the stream ended with {streaming.returncode}: {said[-1500:]}")
        require(re.search(REFUSALS[event], said), f"after \"{event}\" the stream does not say what is wrong: {said[-1500:]}")
        if event == "older results.db" and self.random.random() < 0.5:
            way = "the newer results.db put back"
            self.put_back()
            words = self.stream
        elif event == "unread records deleted":
            way = "--skip-lost"
            words = self.stream + ["--skip-lost"]
            named = [tuple(map(int, found)) for found in LOST.findall(said)]
            self.lost |= {id for partition, offset, id in self.unread if any(partition == p and first <= offset <= last for first, last, p in named)}
        else:
            way = "--from-beginning"
            words = self.stream + ["--from-beginning"]
            self.lost = set(self.deleted)
            self.begins_anew, self.copies = True, []
        self.outcomes[f"{event}: refused, then {way}"] += 1
        place = os.path.getsize(self.logs["stream"])
        streaming = self.start("stream", words)
        if not self.goes_on(streaming):
            with open(self.logs["stream"]) as log: said = log.read()[place:]
            raise Mismatch(f"after \"{event}\" the way on, {way}, ended with {streaming.returncode}: {said[-1500:]}")
        return streaming

    # MARK: - The series

    def run(self, events):
        actions = {
            "group deleted": self.delete_groups, "read records deleted": self.delete_read, "unread records deleted": self.delete_unread,
            "partitions added": self.add_partitions, "topic recreated": self.recreate_topic, "older results.db": self.restore,
        }
        self.copies = []
        self.producing, streaming = self.start("produce", self.produce), self.start("stream", self.stream)
        try:
            require(self.goes_on(streaming, 60), f"the stream did not begin: {streaming.poll()}")
            for event in events:
                self.copy()
                self.note(event)
                time.sleep(self.random.uniform(0.2, 4))
                self.keep_producing()
                require(streaming.poll() is None, f"the stream ended by itself with {streaming.poll()}")
                streaming.kill()
                streaming.wait()
                if self.random.random() < 0.3 and self.producing.poll() is None:
                    self.producing.kill()
                    self.producing.wait()
                    self.producing = self.start("produce", self.produce)
                clock = None
                if event == "clock two hours off": clock = self.random.choice(["+2h", "-2h"])
                else: actions[event]()
                streaming = self.restart(event, clock)
            self.finish(streaming)
        finally:
            for process in (self.producing, streaming):
                if process.poll() is None:
                    process.kill()
                    process.wait()

    def finish(self, streaming):
        end = time.monotonic() + 600
        while self.producing.poll() != 0 and time.monotonic() < end:
            self.keep_producing()
            time.sleep(0.2)
        require(self.producing.poll() == 0, f"produce ended with {self.producing.poll()}")
        time.sleep(2)
        streaming.send_signal(signal.SIGINT)
        require(streaming.wait(60) == 130, f"the stream was stopped with code {streaming.returncode}")
        last = subprocess.run(self.stream + ["--until-end"], env=self.environment, capture_output=True, text=True)
        require(last.returncode == 0, f"stream --until-end ended with {last.returncode}: {last.stderr}")

    def check(self, trips):
        """`trips` are those of an undisturbed topic, by id."""
        there = [json.loads(value)["trip_id"] for _, _, value in self.cluster.messages(self.topic)]
        twice = [id for id, count in collections.Counter(there).items() if count > 1]
        require(not twice, f"{self.tenant}: {len(twice)} trips are in the topic more than once, such as {twice[:2]}")
        extra, missing = set(there) & self.deleted, set(trips) - self.deleted - set(there)
        require(not extra and not missing, f"{self.tenant}: the topic has {len(there)} trips of {len(trips)}, of which {len(self.deleted)} were deleted: "
                f"{len(extra)} too many, {len(missing)} are missing, such as {sorted(missing)[:2]}")
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as database:
            check_views(database, [trip for id, trip in trips.items() if id not in self.lost], self.tenant)
            check_outputs(self.cluster, self.tenant, database, is_repeated=self.begins_anew)
        return self.outcomes
