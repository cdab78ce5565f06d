"""The program that scripts check and measure, and what they need from PyPI."""
import importlib.util, os, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def taxi_program(build=True):
    """The program under test: TAXI_CLI, or the release build, which is made first."""
    if "TAXI_CLI" in os.environ: return os.path.abspath(os.environ["TAXI_CLI"])
    words = ["swift", "build", "-c", "release", "--package-path", ROOT]
    if build: subprocess.run(words + ["--product", "taxi-cli"], check=True, stdout=subprocess.DEVNULL)
    folder = subprocess.run(words + ["--show-bin-path"], check=True, capture_output=True, text=True).stdout.strip()
    return os.path.join(folder, "taxi-cli")


def bootstrap(package):
    """Goes on in a Python that has a package of PyPI: this one, the one that PYTHON_<PACKAGE> names, or one in a temporary folder."""
    if importlib.util.find_spec(package): return
    python = os.environ.get(f"PYTHON_{package.upper()}")
    if not python:
        folder = tempfile.mkdtemp(prefix=f"taxi-{package}-")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = folder + "/bin/python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True)
    if os.path.realpath(python) == os.path.realpath(sys.executable) and sys.prefix != sys.base_prefix:
        sys.exit(f"{python} has no {package}")
    os.execv(python, [python] + sys.argv)
