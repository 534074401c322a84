/* The calls of FileClient: jobs of libftx, whose events are told as signals. */

#include "fileclient_p.h"

#include <QDir>
#include <QFileInfo>
#include <QSet>

#if defined(Q_OS_UNIX)
#include <poll.h>
#endif

using ftx::qt::sized;
using ftx::qt::text;

namespace {

const qint64 NOT_THERE = -1;
const qint64 HAS_ENDED = -1;

/** Milliseconds for which events gather. Waking this thread for each of thousands of small files would
 * take as long as transferring them. */
const qint64 GATHER_MS = 2;

/** Qt 5 counts in int, Qt 6 does not. */
int intOf(qsizetype count)
{
    return static_cast<int>(count);
}

FileClient::FileError failure(qint32 status, const QString &message)
{
    return {QString(), ftx_original_status(status), status, message};
}

FileClient::FileError success()
{
    return {QString(), 0, FTX_OK, QString()};
}

/** Returns success, or the failure with that status that this thread had last. */
FileClient::FileError outcome(qint32 status)
{
    return status == FTX_OK ? success() : failure(status, ftx::qt::lastFailure(status));
}

/** Returns the failure of a job or of one of its files. */
FileClient::FileError failureOf(const ftx_job *job, uint64_t file)
{
    ftx_error error = sized<ftx_error>();
    const qint32 status = ftx_job_error(job, file, &error);
    if (status != FTX_OK)
        return outcome(status);
    if (error.status == FTX_OK)
        return success();
    return {QString(), error.original_status, error.status, text(error.message)};
}

/** Returns the name on the server of a file to upload. */
QByteArray uploadName(const QString &file)
{
    const QByteArray path = file.toUtf8();
    return path.mid(path.lastIndexOf('/') + 1);
}

/** Returns the name on the server of a file to download: the original's server prepends "./" to every
 * name, and its system resolves the path. */
QByteArray downloadName(const QString &file)
{
    QByteArray name = QDir::cleanPath(file).toUtf8();
    while (name.startsWith('/'))
        name.remove(0, 1);
    return name;
}

qint32 addTo(ftx_job *job, const QByteArray &path, const QByteArray &name)
{
    return ftx_job_add_bytes(job, path.constData(), size_t(path.size()), name.constData(),
                             size_t(name.size()));
}

/** Waits for an event of a client, or for the end of its job. */
void waitForEvent(ftx_client *client, ftx_job *job)
{
#if defined(Q_OS_UNIX)
    pollfd ready = {ftx_client_event_fd(client), POLLIN, 0};
    if (ready.fd >= 0)
        poll(&ready, 1, -1);
#else
    Q_UNUSED(client)
#endif
    ftx_job_wait(job, GATHER_MS);
}

} // namespace

FileClient::Call::Call(FileClient *caller, Direction way, const QStringList &list)
    : owner(caller), d(caller->d), direction(way), files(list), keepGoing(caller->d->keepGoing),
      told(list.size(), 0), totals({intOf(list.size()), 0, 0, 0, 0})
{
}

qint64 FileClient::Call::run()
{
    d->beginCall();
    d->totals = totals;
    if (!files.isEmpty())
        transfer();
    const FileError failed = result();
    d->lastStatus = failed.status;
    d->lastError = failed.message;
    d->errors = failures.values();
    d->totals = totals;
    d->endCall();
    return failed.code;
}

void FileClient::Call::transfer()
{
    qint32 status = FTX_OK;
    client = d->client(status);
    if (!client)
        return tellEnd(0, outcome(status));
    if (d->cancelled)
        return tellEnd(0, failure(FTX_CANCELLED, QString::fromUtf8(ftx_strerror(FTX_CANCELLED))));
    if (!readRemoteSizes())
        return;
    for (int begin = 0; owner && begin < files.size();)
        begin = transferFrom(begin);
}

/** Transfers the files from `begin` on in one job: up to one with the target of an earlier one, which it
 * replaces, and up to one that is likely to fail, which is alone, since files behind it must not begin.
 * Returns the file to continue with; the number of files to end the call. */
int FileClient::Call::transferFrom(int begin)
{
    const int count = totals.filesTotal;
    Run run;
    FileError failed = open(direction == Direction::Upload ? FTX_JOB_UPLOAD : FTX_JOB_DOWNLOAD, &run);
    QSet<QString> targets;
    int end = begin;
    for (bool isLast = false; failed.status == FTX_OK && end < count && !isLast;) {
        const QString target = targetOf(end);
        isLast = !keepGoing && isLikelyToFail(end);
        if (targets.contains(target) || (isLast && end > begin))
            break;
        targets.insert(target);
        failed = add(end, run);
        end += failed.status == FTX_OK;
    }
    if (end > begin && !runJob(&run, begin, end))
        return count;
    if (failed.status == FTX_OK)
        return end;
    tellEnd(end, failed);
    return keepGoing ? end + 1 : count;
}

/** Returns the name on the server, or the local path, that a file is written to. */
QString FileClient::Call::targetOf(int file) const
{
    const QString &name = files.at(file);
    if (direction == Direction::Upload)
        return name.mid(name.lastIndexOf(QLatin1Char('/')) + 1);
    return QDir::cleanPath(QFileInfo(name).absoluteFilePath());
}

bool FileClient::Call::isLikelyToFail(int file) const
{
    if (direction == Direction::Download)
        return !sizes.isEmpty() && sizes.at(file) == NOT_THERE;
    // Qt would print a warning about it.
    if (files.at(file).contains(QChar::Null))
        return true;
    const QFileInfo info(files.at(file));
    return !info.isFile() || !info.isReadable();
}

/** Asks a native server for the sizes of the files in a list. A small file of known size comes in one
 * step, and the totals are complete from the beginning. Returns whether the call is to continue. */
bool FileClient::Call::readRemoteSizes()
{
    if (direction == Direction::Upload || files.size() == 1 || d->dialect == Dialect::Legacy)
        return true;
    Run run;
    FileError failed = open(FTX_JOB_STAT, &run);
    for (const QString &file : files)
        if (failed.status == FTX_OK)
            failed = outcome(addTo(run.job.get(), QByteArray(), downloadName(file)));
    QVector<qint64> found;
    if (failed.status == FTX_OK) {
        failed = follow(&run, [&](const ftx_event &) {
            ftx_entry entry = sized<ftx_entry>();
            while (ftx_job_next_entry(run.job.get(), &entry) == FTX_OK)
                found.append(entry.kind == FTX_ENTRY_FILE ? qint64(entry.size) : NOT_THERE);
        });
    }
    const quint32 category = ftx_status_category(qint32(failed.status));
    if (failed.status == FTX_OK || category == FTX_CATEGORY_SERVER) {
        sortSizes(run, found);
        return true;
    }
    // An original server answers no questions, and a lost connection is the transfer's to retry.
    if (failed.status == FTX_OTHER_DIALECT || failed.status == FTX_CONNECTION_LOST)
        return true;
    tellEnd(0, failed);
    return false;
}

/** Attributes the sizes, which came in the order of the list, to the files that were found. */
void FileClient::Call::sortSizes(const Run &run, const QVector<qint64> &found)
{
    int next = 0;
    for (int file = 0; file < files.size(); file++) {
        ftx_file asked = sized<ftx_file>();
        const bool isFound =
            ftx_job_file(run.job.get(), uint64_t(file), &asked) == FTX_OK && asked.status == FTX_OK;
        sizes.append(isFound && next < found.size() ? found.at(next++) : NOT_THERE);
    }
}

FileClient::FileError FileClient::Call::open(quint32 kind, Run *run) const
{
    ftx_job *made = nullptr;
    qint32 status = ftx_job_new(client.get(), kind, &made);
    run->job = std::shared_ptr<ftx_job>(made, ftx_job_free);
    run->id = made ? ftx_job_id(made) : 0;
    if (status == FTX_OK && keepGoing)
        status = ftx_job_set_u64(made, FTX_JOB_OPTION_KEEP_GOING, 1);
    return outcome(status);
}

FileClient::FileError FileClient::Call::add(int file, const Run &run)
{
    const QString &name = files.at(file);
    if (name.contains(QChar::Null))
        return failure(FTX_INVALID_ARGUMENT,
                       QStringLiteral("the path contains a NUL character; remove it"));
    const bool isUpload = direction == Direction::Upload;
    const QByteArray path = isUpload ? local.source(name) : local.target(name);
    if (path.isNull())
        return failure(isUpload ? FTX_LOCAL_NOT_FOUND : FTX_LOCAL_NOT_A_FILE, local.errorString());
    uint64_t index = 0;
    ftx_job_file_count(run.job.get(), &index);
    const qint32 status =
        addTo(run.job.get(), path, isUpload ? uploadName(name) : downloadName(name));
    if (status == FTX_OK && !sizes.isEmpty() && sizes.at(file) != NOT_THERE)
        ftx_job_set_size(run.job.get(), index, uint64_t(sizes.at(file)));
    return outcome(status);
}

/** Runs the job of the files from `begin` to before `end`. Returns whether the call is to continue. */
bool FileClient::Call::runJob(Run *run, int begin, int end)
{
    const FileError failed =
        follow(run, [&](const ftx_event &event) { tell(event, *run, begin); });
    bytesTotalBefore = totals.bytesTotal;
    bytesDoneBefore = totals.bytesDone;
    if (failed.status == FTX_OK)
        return true;
    tellRest(failed, begin, end);
    return keepGoing && failed.status != FTX_CANCELLED;
}

/** Runs a job to its end, and returns its failure. */
FileClient::FileError FileClient::Call::follow(Run *run, const Receiver &receiver)
{
    qint32 status = ftx_job_start(run->job.get());
    if (status != FTX_OK)
        return outcome(status);
    d->add(run);
    ftx_event event;
    while (owner) {
        status = d->next(client.get(), run, &event);
        if (status == FTX_PENDING)
            waitForEvent(client.get(), run->job.get());
        else if (status != FTX_OK || event.kind == FTX_EVENT_JOB_ENDED)
            break;
        else
            receiver(event);
    }
    d->remove(run);
    // A receiver has destroyed the FileClient; the job ends with the call.
    if (!owner)
        return failure(FTX_CANCELLED, QString());
    return status == FTX_OK ? failureOf(run->job.get(), FTX_WHOLE_JOB) : outcome(status);
}

void FileClient::Call::tell(const ftx_event &event, const Run &run, int begin)
{
    if (event.file_index == FTX_WHOLE_JOB)
        return;
    const int file = begin + int(event.file_index);
    if (event.kind == FTX_EVENT_STARTED || event.kind == FTX_EVENT_PROGRESS) {
        tellProgress(file, qint64(event.done), qint64(event.total));
    } else if (event.kind == FTX_EVENT_FILE_ENDED) {
        const qint64 size = qint64(event.total);
        // The library reports only the end of a small file, which it transfers in one step.
        if (event.status == FTX_OK && told.at(file) != size)
            tellProgress(file, size, size);
        tellEnd(file, failureOf(run.job.get(), event.file_index));
    }
    tellTotals(event);
}

void FileClient::Call::tellProgress(int file, qint64 done, qint64 total)
{
    told[file] = done;
    if (owner)
        Q_EMIT owner->progress(files.at(file), done, total);
}

void FileClient::Call::tellTotals(const ftx_event &event)
{
    const Totals before = d->totals;
    totals.bytesTotal = bytesTotalBefore + qint64(event.bytes_total);
    totals.bytesDone = bytesDoneBefore + qint64(event.bytes_done);
    d->totals = totals;
    const bool isChanged =
        before.filesDone != totals.filesDone || before.filesFailed != totals.filesFailed ||
        before.bytesTotal != totals.bytesTotal || before.bytesDone != totals.bytesDone;
    if (owner && isChanged)
        Q_EMIT owner->totalProgress(totals.filesDone, totals.filesTotal, totals.bytesDone,
                                    totals.bytesTotal);
}

/** Ends a file, with success or a failure. */
void FileClient::Call::tellEnd(int file, FileError failed)
{
    failed.file = files.at(file);
    told[file] = HAS_ENDED;
    d->lastStatus = failed.status;
    d->lastError = failed.message;
    if (failed.status == FTX_OK) {
        totals.filesDone++;
    } else {
        totals.filesFailed++;
        failures.insert(file, failed);
        if (owner)
            Q_EMIT owner->errorOccurred(failed.code, failed.message);
        if (owner)
            Q_EMIT owner->fileFailed(failed.file, failed.code, failed.message);
    }
    if (owner)
        Q_EMIT owner->fileFinished(failed.file, failed.code);
}

/** A job that fails as a whole may name no file; then its first unfinished file has failed. */
void FileClient::Call::tellRest(const FileError &failed, int begin, int end)
{
    int waiting = end;
    for (int file = end - 1; file >= begin; file--) {
        if (failures.contains(file))
            return;
        if (told.at(file) != HAS_ENDED)
            waiting = file;
    }
    if (waiting < end)
        tellEnd(waiting, failed);
}

/** Returns the failure that the call returns: a cancellation, or that of the first file in the list. */
FileClient::FileError FileClient::Call::result() const
{
    for (const FileError &failed : failures)
        if (failed.status == FTX_CANCELLED)
            return failed;
    return failures.isEmpty() ? success() : failures.first();
}
