/// The program that Spark runs: it needs pyspark alone, knows nothing of trips, and keeps no state.
///
/// It reads jobs from its standard input and writes answers to what was its standard output; both as
///
///     kind     1 byte: S settings as JSON, the first message, J job, P partial, E a task that no retry would help, A the answers of a job are complete, F a job that failed, H hello,
///              Q which files are there: a list of URIs or patterns as JSON, L one of them
///     index    4 bytes, little-endian: of the range in its job
///     length   4 bytes
///     payload
///
/// A job's payload is the number of ranges (4 bytes), and for each the length (4 bytes) and the bytes of a worker's standard input, and the same of what
/// the worker is to be given behind them: nothing, or as JSON a `PartSource`. Of a file L says, as the length (4 bytes) and the bytes of JSON, what is
/// known, and then its first and its last 64 KiB. Hello, and the end of each job, say as JSON what is known of the cluster. What a worker's standard error and Spark itself say goes to standard error, line by line.
enum SparkProgram {
    static let text = #"""
        import json, os, signal, struct, subprocess, tempfile, threading

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


        def start_worker(request, chunks):
            """What a worker answers to a request and the bytes behind it, or why no retry would help; raises what Spark shall retry."""
            from pyspark import SparkFiles

            program, words = work["program"], []
            if work["archive"]:
                program = os.path.join(os.getcwd(), work["archive"], "bin", "taxi-cli")
                if not os.path.exists(program):
                    program = os.path.join(SparkFiles.getRootDirectory(), work["archive"], "bin", "taxi-cli")
            for word in work["words"]:
                # Names of files that Spark has shipped; as everybody's, and there may be secrets in them.
                if word.startswith("ship:"):
                    word = SparkFiles.get(word[5:])
                    os.chmod(word, 0o600)
                words.append(word)
            with tempfile.TemporaryFile() as errors:
                try:
                    done = subprocess.Popen([program, "worker"] + words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
                except OSError as error:
                    return (b"E", ("78 cannot start %s on %s: %s" % (program, os.uname().nodename, error.strerror)).encode())
                answer = []
                reading = threading.Thread(target=lambda: answer.append(done.stdout.read()))
                reading.start()
                try:
                    try:
                        done.stdin.write(request)
                        for chunk in chunks:
                            done.stdin.write(chunk)
                        done.stdin.close()
                    except BrokenPipeError:
                        # It has ended: with enough, or with an error that its standard error says.
                        pass
                except BaseException:
                    done.kill()
                    raise
                finally:
                    reading.join()
                    done.wait()
                    try:
                        done.stdin.close()
                    except BrokenPipeError:
                        pass
                errors.seek(0)
                text = errors.read().decode("utf-8", "replace").strip()
            if done.returncode == 0:
                return (b"P", answer[0])
            if done.returncode in (64, 65, 66, 77, 78):
                return (b"E", ("%d %s" % (done.returncode, text)).encode())
            if done.returncode in (126, 127):
                # As a shell says that it cannot run the archive's program: of another processor, most often.
                return (b"E", ("78 cannot run %s on %s (%s): %s" % (program, os.uname().nodename, os.uname().machine, text)).encode())
            raise RuntimeError("taxi-cli worker ended with %d: %s" % (done.returncode, text))


        def bytes_of(source):
            """The bytes of a file, or of one unit of it: lines that begin behind the unit's start, the last one to its end."""
            piece, unit, size = 1 << 20, source["unitBytes"], source["size"]
            with open(source["place"], "rb") as file:
                place = unit * source["unit"] if unit else source["from"]
                end = min(place + unit, size) if unit else size
                file.seek(place)
                if unit and source["unit"] > 0:
                    while True:
                        found = file.readline(piece)
                        place += len(found)
                        if not found or found.endswith(b"\n"):
                            break
                    if place > end:
                        return
                while place < end:
                    found = file.read(min(piece, end - place))
                    if not found:
                        return
                    place += len(found)
                    yield found
                while unit and place < size:
                    found = file.readline(piece)
                    place += len(found)
                    yield found
                    if not found or found.endswith(b"\n"):
                        return


        def run_worker(task):
            """One range of a topic, or part of a file that lies where the task runs."""
            request, source = task
            if source is None:
                return start_worker(request, [])
            try:
                status = os.stat(source["place"])
                stamp = "%d.%d" % (status.st_size, status.st_mtime_ns)
                if source["size"] > 0 and stamp != source["stamp"]:
                    return (b"E", ("74 %s changed while it was read, or is another file on %s" % (source["place"], os.uname().nodename)).encode())
                return start_worker(request, bytes_of(source) if source["size"] > 0 else [])
            except (FileNotFoundError, PermissionError) as error:
                return (b"E", ("66 cannot read %s on %s: %s" % (source["place"], os.uname().nodename, error.strerror)).encode())


        def lines_of(rows, head):
            """Rows of one column, as lines; together in pieces of some size."""
            piece, size = ([head + b"\n"], len(head)) if head is not None else ([], 0)
            for (line,) in rows:
                piece.append(line)
                piece.append(b"\n")
                size += len(line)
                if size > 1 << 20:
                    yield b"".join(piece)
                    piece, size = [], 0
            yield b"".join(piece)


        spark_session = None


        def session():
            """Spark's readers of files; begun where they are needed first."""
            global spark_session
            if spark_session is None:
                from pyspark.sql import SparkSession

                spark_session = SparkSession(context)
                # A time without a zone stays as it is, and one with a zone is said in UTC.
                spark_session.conf.set("spark.sql.session.timeZone", "UTC")
            return spark_session


        def file_status(place):
            """A file's system and what that says of it; by Hadoop, which knows every scheme that Spark has a library for."""
            path = context._jvm.org.apache.hadoop.fs.Path(place)
            system = path.getFileSystem(context._jsc.hadoopConfiguration())
            return system, system.getFileStatus(path)


        def stamp_of(status):
            return "%d.%d" % (status.getLen(), status.getModificationTime())


        def frame_of(source):
            """The lines of a file, in one column of bytes, and the line that is to stand before them."""
            from pyspark.sql import functions as do

            whole = 1 << 60
            for name in ("spark.sql.files.maxPartitionBytes", "spark.sql.files.openCostInBytes"):
                # As dear to open as one unit is large: no two units are put into one task.
                session().conf.set(name, str(source["unitBytes"] or whole))
            place = "".join("\\" + letter if letter in "*?[]{}" else letter for letter in source["place"])
            if source["reading"] == "text":
                frame, head = session().read.option("lineSep", "\n").text(place).selectExpr("cast(value as binary)"), None
            else:
                frame = session().read.parquet(place)
                columns = ["`" + name.replace("`", "``") + "`" for name in frame.columns]
                form = "yyyy-MM-dd'T'HH:mm:ss.SSS"
                line = do.to_csv(
                    do.struct(*columns), {"timestampFormat": form, "timestampNTZFormat": form, "escape": '"', "emptyValue": ""})
                head = ",".join('"' + name.replace('"', '""') + '"' for name in frame.columns).encode()
                frame = frame.select(line.cast("binary"))
            units = -(-source["size"] // source["unitBytes"]) if source["unitBytes"] else 1
            found = frame._jdf.queryExecution().toRdd().partitions()
            starts = [(part.files()[0].start(), len(part.files())) for part in found]
            if starts != [(unit * source["unitBytes"], 1) for unit in range(units)]:
                raise Refused("69 Spark does not cut %s as it should: %s" % (source["place"], starts[:5]))
            return frame, head


        class Refused(Exception):
            pass


        def run_tasks(tasks):
            """The answers of tasks, in their order. What lies with the workers they read themselves; all else Spark's readers read for them."""
            answers = [None] * len(tasks)
            near = [index for index, (_, source) in enumerate(tasks) if source is None or source["reading"] == "bytes" or source["size"] == 0]
            if near:
                results = context.parallelize([tasks[index] for index in near], len(near)).map(run_worker).collect()
                for index, result in zip(near, results):
                    answers[index] = result
            frames, wanted, first, requests = {}, [], 0, {}
            for index, (request, source) in enumerate(tasks):
                if answers[index] is not None:
                    continue
                key = (source["place"], source["unitBytes"])
                if key not in frames:
                    if stamp_of(file_status(source["place"])[1]) != source["stamp"]:
                        raise Refused("74 %s changed while it was read" % source["place"])
                    frame, head = frame_of(source)
                    rows = frame.rdd
                    frames[key] = (first, rows, head)
                    first += rows.getNumPartitions()
                number = frames[key][0] + source["unit"]
                wanted.append(number)
                requests[number] = (index, request, frames[key][2])
            if wanted:
                parts = [rows for _, rows, _ in frames.values()]
                rows = parts[0] if len(parts) == 1 else context.union(parts)

                def run_part(number, rows):
                    index, request, head = requests[number]
                    yield (index, start_worker(request, lines_of(rows, head)))

                for index, result in context.runJob(rows.mapPartitionsWithIndex(run_part), list, wanted):
                    answers[index] = result
            return answers


        def list_files(places):
            """Says of each file that the places name what is known of it, and its ends; in the order of their names."""
            read = context._jvm.org.apache.commons.io.IOUtils.toByteArray
            index = 0
            for place in places:
                path = context._jvm.org.apache.hadoop.fs.Path(place)
                system = path.getFileSystem(context._jsc.hadoopConfiguration())
                found = system.globStatus(path)
                if not found:
                    raise Refused("66 there is no file %s" % place)
                for status in sorted(found, key=lambda status: status.getPath().toString()):
                    name, size = status.getPath().toString(), status.getLen()
                    if status.isDirectory():
                        raise Refused("66 %s is a folder: name the files in it, such as %s/*.csv" % (name, name))
                    count, stream = min(size, 1 << 16), system.open(status.getPath())
                    try:
                        start = read(stream, count) if count else b""
                        stream.seek(size - count)
                        end = read(stream, count) if count else b""
                    finally:
                        stream.close()
                    known = {"place": name, "name": status.getPath().getName(), "size": size, "stamp": stamp_of(status), "first": len(start)}
                    known = json.dumps(known).encode()
                    say(b"L", index, struct.pack("<I", len(known)) + known + bytes(start) + bytes(end))
                    index += 1


        def failure(error):
            """The exit code and the reason of what Spark could not do."""
            if isinstance(error, Refused):
                return str(error).encode()
            lines = [line for line in str(error).splitlines() if line.strip()]
            worker = [line for line in lines if "RuntimeError: taxi-cli worker" in line]
            missing = [line for line in lines if "No FileSystem for scheme" in line or "ClassNotFoundException" in line]
            if missing:
                return ("78 Spark has no library for this scheme: %s" % missing[0].strip(" :")).encode()
            for mark in ('Cannot run program "', "[PYTHON_VERSION_MISMATCH]"):
                python = [line[line.index(mark) :] for line in lines if mark in line]
                if python:
                    return ("78 executors cannot run Python: %s" % python[0].strip()).encode()
            # What py4j says first is that there was an error.
            causes = [line for line in lines if ": " in line and "An error occurred while calling" not in line]
            return ("69 " + (worker or causes or lines or ["Spark gave up"])[0].strip(" :")).encode()


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
            return {"executors": executors, "application": context.applicationId, "spark": context.version, "cores": context.defaultParallelism}


        say(b"H", 0, json.dumps(cluster()).encode())
        while True:
            kind, payload = message()
            try:
                if kind == b"Q":
                    list_files(json.loads(payload))
                    say(b"A", 0, json.dumps(cluster()).encode())
                    continue
                (count,) = struct.unpack_from("<I", payload)
                place, tasks = 4, []
                for _ in range(count):
                    task = []
                    for _ in range(2):
                        (size,) = struct.unpack_from("<I", payload, place)
                        task.append(payload[place + 4 : place + 4 + size])
                        place += 4 + size
                    tasks.append((task[0], json.loads(task[1]) if task[1] else None))
                results = run_tasks(tasks)
            except Exception as error:
                say(b"F", 0, failure(error))
                continue
            for index, (answer, content) in enumerate(results):
                say(answer, index, content)
            say(b"A", 0, json.dumps(cluster()).encode())

        """#
}
