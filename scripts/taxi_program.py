"""The program that scripts check and measure."""
import os, subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def taxi_program(build=True):
    """The program under test: TAXI_CLI, or the release build, which is made first."""
    if "TAXI_CLI" in os.environ: return os.path.abspath(os.environ["TAXI_CLI"])
    words = ["swift", "build", "-c", "release", "--package-path", ROOT]
    if build: subprocess.run(words + ["--product", "taxi-cli"], check=True, stdout=subprocess.DEVNULL)
    folder = subprocess.run(words + ["--show-bin-path"], check=True, capture_output=True, text=True).stdout.strip()
    return os.path.join(folder, "taxi-cli")
