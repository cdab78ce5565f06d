/// The program that Spark runs: it needs pyspark alone, knows nothing of trips, and keeps no state.
///
/// It reads jobs from its standard input and writes answers to what was its standard output; both as
///
///     kind     1 byte: S settings as JSON, the first message, J job, P partial, E a task that no retry would help, A the answers of a job are complete, F a job that failed, H hello
///     index    4 bytes, little-endian: of the range in its job
///     length   4 bytes
///     payload
///
/// A job's payload is the number of ranges (4 bytes), and for each the length (4 bytes) and the bytes of a worker's standard input. Hello, and the end
/// of each job, say as JSON what is known of the cluster. What a worker's standard error and Spark itself say goes to standard error, line by line.
enum SparkProgram {
    static let text = #"""
        import json, os, signal, struct, subprocess

        # It is read: who is killed would leave it lying about.
        os.unlink(os.path.abspath(__file__))
        # Whatever else writes to standard output must not come between the answers.
        answers = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        jobs = os.fdopen(os.dup(0), "rb")
        # The coordinator decides when to stop; Ctrl-C goes to all processes of a terminal.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


        def say(kind, index, payload):
            answers.write(kind + struct.pack("<II", index, len(payload)) + payload)
            answers.flush()


        context = None


        def exactly(count):
            found = jobs.read(count)
            if found is None or len(found) < count:
                # The coordinator has ended.
                if context is not None:
                    context.stop()
                os._exit(0)
            return found


        def message():
            kind, index, length = struct.unpack("<cII", exactly(9))
            return kind, exactly(length)


        # Not an argument, which others could see: a setting may be a secret.
        settings = json.loads(message()[1])
        work = {name: settings[name] for name in ("program", "words", "archive")}


        def run_worker(request):
            """One range: what a worker answers, or why no retry would help; raises what Spark shall retry."""
            from pyspark import SparkFiles

            program, words = work["program"], []
            if work["archive"]:
                program = os.path.join(os.getcwd(), work["archive"], "bin", "taxi-cli")
                if not os.path.exists(program):
                    program = os.path.join(SparkFiles.getRootDirectory(), work["archive"], "bin", "taxi-cli")
            for word in work["words"]:
                # Names of files that Spark has shipped.
                words.append(SparkFiles.get(word[5:]) if word.startswith("ship:") else word)
            try:
                done = subprocess.run([program, "worker"] + words, input=request, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            except OSError as error:
                return (b"E", ("78 cannot start %s on %s: %s" % (program, os.uname().nodename, error.strerror)).encode())
            if done.returncode == 0:
                return (b"P", done.stdout)
            text = done.stderr.decode("utf-8", "replace").strip()
            if done.returncode in (64, 65, 66, 77, 78):
                return (b"E", ("%d %s" % (done.returncode, text)).encode())
            raise RuntimeError("taxi-cli worker ended with %d: %s" % (done.returncode, text))


        try:
            from pyspark import SparkConf, SparkContext
        except ImportError as error:
            say(b"F", 0, ("78 there is no pyspark: %s" % error).encode())
            os._exit(0)
        try:
            conf = SparkConf().setAppName(settings["name"]).setMaster(settings["master"])
            conf.set("spark.ui.showConsoleProgress", "false").set("spark.ui.enabled", "false")
            for name, value in settings["conf"]:
                conf.set(name, value)
            context = SparkContext(conf=conf)
            for path in settings["files"]:
                context.addFile(path)
            if settings["archive_path"]:
                context.addArchive(settings["archive_path"] + "#" + settings["archive"])
        except Exception as error:
            lines = str(error).splitlines() or [type(error).__name__]
            if "JAVA_GATEWAY" in lines[0]:
                say(b"F", 0, ("78 Spark's Java does not start: %s" % lines[0]).encode())
            else:
                say(b"F", 0, ("69 Spark does not start at %s: %s" % (settings["master"], lines[0])).encode())
            os._exit(0)


        def cluster():
            try:
                executors = context._jsc.sc().getExecutorMemoryStatus().size()
            except Exception:
                executors = 0
            if not settings["master"].startswith("local"):
                executors -= 1
            return {"executors": executors, "application": context.applicationId, "spark": context.version}


        say(b"H", 0, json.dumps(cluster()).encode())
        while True:
            kind, payload = message()
            (count,) = struct.unpack_from("<I", payload)
            place, requests = 4, []
            for _ in range(count):
                (size,) = struct.unpack_from("<I", payload, place)
                requests.append(payload[place + 4 : place + 4 + size])
                place += 4 + size
            try:
                results = context.parallelize(requests, count).map(run_worker).collect()
            except Exception as error:
                lines = [line for line in str(error).splitlines() if line.strip()]
                worker = [line for line in lines if "RuntimeError: taxi-cli worker" in line]
                say(b"F", 0, ("69 " + (worker or lines or ["Spark gave up"])[0].strip()).encode())
                continue
            for index, (answer, content) in enumerate(results):
                say(answer, index, content)
            say(b"A", 0, json.dumps(cluster()).encode())

        """#
}
