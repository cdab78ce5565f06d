"""A Kafka cluster of one's own for scripts that break it: started, killed, paused and looked at through ../shared/kafka/kafka.sh.

TAXI_KAFKA_SH=FILE names another kafka.sh, TAXI_CLI=FILE another program than the release build. Needs kcat and Java.
"""
import collections, json, os, random, shutil, socket, subprocess, tempfile, time

from taxi_program import taxi_program

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def missing():
    """What is needed and not there, as one line; None where all is there."""
    if not kafka_script(): return "there is no ../shared/kafka/kafka.sh beside the repository (TAXI_KAFKA_SH names another)"
    for program in ("java", "kcat"):
        if not shutil.which(program): return f"there is no {program}"
    return None


def kafka_script():
    if "TAXI_KAFKA_SH" in os.environ: return os.environ["TAXI_KAFKA_SH"]
    found = os.path.join(os.path.dirname(ROOT), "shared/kafka/kafka.sh")
    return found if os.path.exists(found) else None


def free_ports(brokers):
    """The first of 10 free ports a broker, below those that systems hand out by themselves."""
    while True:
        first = random.randrange(30_000, 32_700, 10)
        if all(is_free(first + 10 * broker + offset) for broker in range(brokers) for offset in range(5)): return first


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try: probe.bind(("127.0.0.1", port))
        except OSError: return False
        return True


class Cluster:
    """Brokers 1, 2, … on 127.0.0.1, with further properties; a context: at its end they are stopped and their files deleted.

    With `sasl` there are `secure_servers` as well, at which "taxi" is let in with the password "taxi-secret" (PLAIN).
    """

    def __init__(self, brokers=1, properties=(), sasl=False):
        self.brokers, self.properties, self.sasl = brokers, properties, sasl
        self.folder = tempfile.mkdtemp(prefix="taxi-kafka-lab-")
        self.port = free_ports(brokers)
        self.servers, self.secure_servers = (
            ",".join(f"127.0.0.1:{self.port + 10 * broker + offset}" for broker in range(brokers)) for offset in (0, 2))

    def __enter__(self):
        try: self.call("start", "-p", str(self.port), "-n", str(self.brokers), *(["--sasl"] if self.sasl else []))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for broker in range(1, self.brokers + 1): self.call("resume", str(broker), check=False)
        self.call("clean", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, *words, check=True):
        environment = {**os.environ, "KAFKA_EXTRA": "\\n".join(self.properties)}
        return subprocess.run(
            [kafka_script(), *words, "-d", self.folder], check=check, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout

    def kill(self, broker): self.call("kill", str(broker))
    def revive(self, broker): self.call("revive", str(broker))
    def pause(self, broker): self.call("pause", str(broker))
    def resume(self, broker): self.call("resume", str(broker))

    def tool(self, name, *words):
        """One of Kafka's own tools."""
        return subprocess.run([kafka_script(), "run", name, *words], check=True, capture_output=True, text=True).stdout

    def metadata(self, topic=None):
        words = ["kcat", "-L", "-J", "-b", self.servers, "-m", "5"] + (["-t", topic] if topic else [])
        return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

    def leader(self, topic):
        """The broker that leads partition 0; None where none does."""
        try: return self.metadata(topic)["topics"][0]["partitions"][0]["leader"]
        except (subprocess.CalledProcessError, IndexError, KeyError, ValueError): return None

    def is_whole(self):
        """Whether each partition of each topic has all its replicas in sync."""
        try: topics = self.metadata()["topics"]
        except (subprocess.CalledProcessError, ValueError): return False
        return all(
            part["leader"] > 0 and len(part["isrs"]) == len(part["replicas"]) for topic in topics for part in topic["partitions"])

    def wait_until_whole(self, seconds=90):
        end = time.monotonic() + seconds
        while not self.is_whole():
            if time.monotonic() > end: raise TimeoutError("the brokers did not get in sync again")
            time.sleep(0.2)

    def messages(self, topic):
        """All committed messages as (partition, offset, value), by partition and offset."""
        # The value last, since it may hold anything but a line feed.
        text = subprocess.run(
            ["kcat", "-C", "-q", "-e", "-b", self.servers, "-t", topic, "-o", "beginning", "-X", "isolation.level=read_committed",
             "-X", "check.crcs=true", "-f", "%p %o %s\n"], check=True, capture_output=True, text=True).stdout
        found = [line.split(" ", 2) for line in text.splitlines()]
        return sorted((int(partition), int(offset), value) for partition, offset, value in found)

    def lags(self, group):
        """The lag of each (topic, partition) that a group has an offset in, as Kafka's own tool reckons it."""
        lines = self.tool("consumer-groups", "--bootstrap-server", self.servers, "--describe", "--group", group).splitlines()
        table = [line.split() for line in lines if line.strip()]
        head = next(line for line in table if "LAG" in line)
        place, partition, lag = (head.index(name) for name in ("TOPIC", "PARTITION", "LAG"))
        return {(line[place], int(line[partition])): int(line[lag]) for line in table[table.index(head) + 1:]}

    def groups(self, prefix):
        return [name for name in self.tool("consumer-groups", "--bootstrap-server", self.servers, "--list").split() if name.startswith(prefix)]


# MARK: programs that are killed

class Program:
    """One of the two commands, which is started again whenever it was killed."""

    def __init__(self, words, environment, log):
        self.words, self.environment, self.log = words, environment, log
        self.starts_without_broker = 0
        self.start()

    def start(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.words, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def survives(self, can_fail_to_start):
        """Whether it runs, or has done what it was to do; one that found no broker at its start is started again, as a service would be."""
        if can_fail_to_start and self.process.poll() == 69:
            self.starts_without_broker += 1
            self.start()
        return self.process.poll() in (None, 0)

    def is_running(self): return self.process.poll() is None
    def said(self): return open(self.log).read()[-2000:]


# MARK: what a tenant's results must be

VIEWS = ["sumfarewindow", "tripstotal", "hotspotcommunitywindow", "hotspotwindow", "faredistribution"]

WINDOW = """ '"window":{"start":"' || window_start || '","end":"' || window_end || '"}' """


def money(name):
    """SQL of an amount as messages have it: without needless zeros, and left out where there is none."""
    return f"""CASE WHEN "{name}" IS NULL THEN '' ELSE ',"{name}":' || rtrim(rtrim(printf('%.2f', "{name}"), '0'), '.') END"""


def number(name, key=None): return f"""',"{key or name}":' || "{name}" """
def text(name): return f"""'"{name}":"' || "{name}" || '"' """


# Topic, view, whether each change is a message (else each row is one), and SQL of a row's message.
OUTPUTS = [
    ("sumFareWindowStream", "sumfarewindow", True, [WINDOW, money("total_fare"), money("tips_fare"), money("total_trip_total")]),
    ("tripsTotalStream", "tripstotal", True,
     [text("day"), number("trips_total"), money("fare_total"), money("tips_avg"), money("trip_total_avg")]),
    ("hotspotCommunityPickupWindowStream", "hotspotcommunitywindow", False,
     [WINDOW, number("pickup_community_area"), number("count")]),
    ("hotspotWindowStream", "hotspotwindow", False, [WINDOW, "','", text("pickup_centroid_location"), number("count")]),
    ("fareDistributionStream", "faredistribution", False, [WINDOW, number("bucket", "fare_bucket"), number("trips"), money("total_fare")]),
]


class Mismatch(Exception):
    """Results that are not as they must be."""


def require(condition, message):
    if not condition: raise Mismatch(message)


def check_outputs(cluster, tenant, database, is_repeated=False):
    """Compares output topics with the views, message for message; returns how many there are.

    `is_repeated` is for results that were computed again from the beginning: what they were before is in the topics as well.
    """
    compared = 0
    for topic, view, emits_changes, parts in OUTPUTS:
        messages = [value for _, _, value in cluster.messages(f"{tenant}_{topic}")]
        compared += len(messages)
        if emits_changes:  # the newest message of a window or day is its row
            key = (lambda text: text.split(',"trips_total"')[0]) if view == "tripstotal" else (lambda text: text.split("}")[0])
            messages = list({key(message): message for message in messages}.values())
        wanted = [row[0] for row in database.execute(f"SELECT '{{' || {' || '.join(parts)} || '}}' FROM {view}")]
        extra, lost = collections.Counter(messages) - collections.Counter(wanted), collections.Counter(wanted) - collections.Counter(messages)
        if is_repeated: extra = None
        require(not extra and not lost, f"{topic}: {sum((extra or {}).values())} messages without a row, such as {list(extra or {})[:2]}; {sum(lost.values())} rows without a message, such as {list(lost)[:2]}")
    return compared


def check_results(cluster, tenant, database, reference, rows):
    """Everything that can be known of a finished tenant: `database` and `reference` are connections to its and to an undisturbed
    run's results.db, `rows` the number of trips, each with an id of its own.

    Returns the number of messages that were compared. Raises Mismatch with the first difference.
    """
    for view in VIEWS:
        found, wanted = (sorted(map(repr, source.execute(f"SELECT * FROM {view}"))) for source in (database, reference))
        extra, lost = collections.Counter(found) - collections.Counter(wanted), collections.Counter(wanted) - collections.Counter(found)
        require(not extra and not lost, f"{view}: {sum(extra.values())} rows too many, such as {list(extra)[:2]}; {sum(lost.values())} lost, such as {list(lost)[:2]}")

    trips = cluster.messages(f"{tenant}_ingestData")
    ids = collections.Counter(json.loads(value)["trip_id"] for _, _, value in trips)
    repeated = [id for id, count in ids.items() if count > 1]
    require(not repeated, f"{len(repeated)} trips are in the topic more than once, such as {repeated[:2]}")
    require(len(ids) == rows, f"{rows - len(ids)} of {rows} trips are not in the topic")

    compared = len(trips) + check_outputs(cluster, tenant, database)

    ends = collections.Counter(partition for partition, _, _ in trips)
    sums = database.execute("SELECT query, partition, sum(value) FROM ledger WHERE kind = 'stream' AND query <> '' GROUP BY 1, 2").fetchall()
    require(len({query for query, _, _ in sums}) == len(VIEWS), f"the ledger knows {len({query for query, _, _ in sums})} queries")
    for query in {query for query, _, _ in sums}:
        counted = {partition: value for name, partition, value in sums if name == query}
        require(counted == dict(ends), f"the ledger of {query} has {counted}, the topic {dict(ends)}")
    late = database.execute("SELECT coalesce(sum(value), 0) FROM ledger WHERE counter = 'late'").fetchone()[0]
    require(late == 0, f"{late} records were late")

    groups = cluster.groups(f"{tenant}_stream:")
    require(len(groups) == 1, f"the stream's groups are {groups}")
    lags = cluster.lags(groups[0])
    wanted = {(f"{tenant}_ingestData", partition): 0 for partition in range(max(ends) + 1)}
    require(lags == wanted, f"the lags of {groups[0]} are {lags}")
    return compared
