"""Commands that documentation shows: they are typed into a shell of a fresh account, and what that prints is compared with what stands there."""
import importlib.util, fcntl, os, pty, re, shutil, struct, termios

from taxi_program import ROOT, taxi_program

IGNORED = [r"^left out for lack of room", r"^\[\d+\]", r" (Killed|Done|Interrupt|Terminated) ", r"^putting trips in order", r"^waiting for topic"]
VARIES = [
    (r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)?", "TIME"), (r"^\d\d:\d\d:\d\d ", "TIME "), (r"run \S+ of", "run ID of"),
    (r"[\d,]+(\.\d+)?/s", "RATE"), (r"\d+(\.\d+)? s\b", "SECONDS"), (r"\d+(\.\d+)?m?s\b", "SECONDS"), (r"\d+(\.\d+)? [KM]iB", "SIZE"),
    (r"\(process \d+\)", "(process N)"), (r"[\d,]+ epochs", "N epochs"),
    # An update query gives as many as there are epochs in which its windows changed, and the audit reads as many.
    (r"[\d,]+ results", "N results"), (r"[\d,]+ cells", "N cells"), (r"\s+", " "), (r"[█▉▊▋▌▍▎▏]+", "BAR"), (r"[─┌┬┐├┼┤└┴┘│]+", "|"),
]


def account(folder):
    """Makes the folder of somebody who has just installed the program; gives the environment of a shell in it."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "bin"))
    shutil.copy(taxi_program(), os.path.join(folder, "bin", "taxi-cli"))
    for name in ["data", "examples"]: os.symlink(os.path.join(ROOT, name), os.path.join(folder, name))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAXI_")}
    environment.update(HOME=folder, PATH=f"{folder}/bin:{environment['PATH']}", TERM="xterm", NO_COLOR="1", TAXI_PROGRESS="off")
    return environment


def why_left_out(command, has_broker):
    """Why a command cannot be run here; None where it can."""
    if "until Ctrl-C" in command: return "goes on until Ctrl-C"
    if "TAXI_BROKER=" in command and not has_broker: return "there is no broker at localhost:9092"
    for program in ["sqlite3", "duckdb", "kcat", "jq"]:
        if re.search(rf"(^|\| ?){program} ", command) and not shutil.which(program): return f"there is no {program}"
    if "--format parquet" in command and not shutil.which("duckdb") and importlib.util.find_spec("duckdb") is None: return "there is no DuckDB"
    # What an alert starts goes to S3 and SNS.
    if "spike-analysis" in command and "AWS_ENDPOINT_URL" not in os.environ: return "there is no S3"
    return None


def plain(line):
    for pattern, instead in VARIES: line = re.sub(pattern, instead, line)
    return line.strip()


def matches(expected, line):
    pattern = "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", plain(expected)))
    return re.fullmatch(pattern, plain(line)) is not None


def differences(expected, printed):
    """Lines that should be there and are not, in their order; with "…" in a line of its own others may stand between."""
    mayskip, wrong, place = False, [], 0
    for line in expected:
        if line == "…":
            mayskip = True
            continue
        found = next((index for index in range(place, len(printed)) if matches(line, printed[index])), None)
        if found is None: wrong.append(f"- {line}")
        else:
            if not mayskip: wrong += [f"+ {other}" for other in printed[place:found]]
            place, mayskip = found + 1, False
    if not mayskip: wrong += [f"+ {other}" for other in printed[place:]]
    return wrong


def in_terminal(script, folder, environment):
    """What bash prints that runs a script on a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        # A job of its own each, as where somebody types.
        os.execvpe("bash", ["bash", "--norc", "-m", script], environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
    output = b""
    while True:
        try: piece = os.read(terminal, 65536)
        except OSError: break
        if not piece: break
        output += piece
    os.waitpid(pid, 0)
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", output.decode(errors="replace")).replace("\r\n", "\n")


def printed_by(output):
    """The lines of each command, by the number that a line "@@NUMBER" before them says."""
    printed = {}
    for part in re.split(r"\n?@@(?=\d+\n)", output)[1:]:
        number, _, rest = part.partition("\n")
        lines = [line.split("\r")[-1].rstrip() for line in rest.splitlines()]
        printed[int(number)] = [line for line in lines if line and not any(re.search(pattern, line) for pattern in IGNORED)]
    return printed
