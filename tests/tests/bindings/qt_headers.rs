//! Sources that include `fileclient.h` in unusual ways: with macros of their own, beside the original's
//! server, with an older header in the way, or calling what the original has and ours has not.

use std::fs;
use std::path::Path;
use std::process::Command;

use ftx_tests::peer::{Qt, clients};
use ftx_tests::{DEADLINE, Outcome, Process, bins, ffi, with_each_qt};
use tempfile::tempdir;

with_each_qt!(
    the_codes_are_macros_as_in_the_original,
    the_codes_are_constants_on_request,
    a_step_of_the_protocol_names_its_replacement,
    an_older_header_in_the_include_path_is_named,
    an_older_header_beside_the_source_does_not_link,
);

/// A header as the original's server has it, with the same macros.
const FILESOCKET: &str = "
#define FILE_UPLOAD_HEADER             100
#define FILE_DOWNLOAD_TAIL             203
#define OK                             0
#define FILE_OPEN_ERROR                -2
#define DOWNLOAD_FILE_ERROR            -10
";

/// The original's header, as far as a caller's source and layout see it.
const OLDER: &str = "
#ifndef FILECLIENT_H
#define FILECLIENT_H
#include <QFile>
#include <QObject>
#include <QStringList>
#define OK 0
class FileClient : public QObject {
    Q_OBJECT
public:
    explicit FileClient(QString ip, quint16 port, QObject *parent = nullptr);
    ~FileClient();
public slots:
    qint64 fileUpload(QString filepath);
private:
    QString m_ip;
    QFile m_local_file;
};
#endif
";

const CALLER: &str = "
#include \"fileclient.h\"
int main() { FileClient client(\"127.0.0.1\", 1); return int(client.fileUpload(\"a\")); }
";

fn flags(qt: Qt, what: &str) -> Vec<String> {
    let package = match qt {
        Qt::Five => "Qt5Network",
        Qt::Six => "Qt6Network",
    };
    let outcome = Process::spawn(Command::new("pkg-config").args([what, package])).wait(DEADLINE);
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    outcome.stdout.split_whitespace().map(str::to_owned).collect()
}

/// A compiler run in a directory, with the include path of an application that lies there.
fn compiler(qt: Qt, directory: &Path) -> Command {
    let include = bins::workspace().join("include");
    let mut command = Command::new("c++");
    command.args(["-std=c++17", "-fPIC", "-Wall", "-Werror", "-I."]);
    command.arg("-I").arg(include.join("qt")).arg("-I").arg(&include);
    command.args(flags(qt, "--cflags")).current_dir(directory);
    command
}

fn run(command: &mut Command) -> Outcome {
    Process::spawn(command).wait(DEADLINE)
}

/// Checks a source; `filesocket.h` lies beside it.
fn checked(qt: Qt, source: &str) -> Outcome {
    let directory = tempdir().unwrap();
    fs::write(directory.path().join("filesocket.h"), FILESOCKET).unwrap();
    fs::write(directory.path().join("main.cpp"), source).unwrap();
    run(compiler(qt, directory.path()).args(["-fsyntax-only", "main.cpp"]))
}

fn assert_compiles(qt: Qt, source: &str) {
    let outcome = checked(qt, source);
    assert_eq!(outcome.code, Some(0), "{source}\n{outcome:#?}");
}

fn the_codes_are_macros_as_in_the_original(qt: Qt) {
    let header = "#include \"fileclient.h\"\n";
    let end = "int main() { return OK; }\n";
    for source in [
        format!("#include \"filesocket.h\"\n{header}{end}"),
        format!("{header}#include \"filesocket.h\"\n{end}"),
        format!("#define OK 0\n{header}{end}"),
        format!("{header}#undef OK\nenum Answer {{ OK }};\n{end}"),
        format!("{header}#if FILE_OPEN_ERROR != -2 || !defined(OK)\n#error\n#endif\n{end}"),
        format!("{header}#ifndef FILE_DOWNLOAD_TAIL\n#error\n#endif\n{end}"),
        format!(
            "{header}int main(int n, char **) {{ switch (n) {{ case OK: return 1; }} return 0; }}\n"
        ),
        // Used through the original's header.
        format!("{header}QTcpSocket *socket() {{ return nullptr; }}\n{end}"),
        format!("{header}void log() {{ qDebug() << 1; }}\n{end}"),
    ] {
        assert_compiles(qt, &source);
    }
}

fn the_codes_are_constants_on_request(qt: Qt) {
    let begin = "#define FTX_FILECLIENT_CONSTANTS\n#include \"fileclient.h\"\n";
    assert_compiles(
        qt,
        &format!(
            "{begin}#if defined(OK) || defined(FILE_UPLOAD_HEADER)\n#error\n#endif\n\
         namespace other {{ enum Answer {{ OK = 7 }}; }}\n\
         int main(int n, char **) {{ switch (n) {{ case OK: return other::OK; }} return 0; }}\n"
        ),
    );
}

fn a_step_of_the_protocol_names_its_replacement(qt: Qt) {
    for (call, instead) in [
        ("fileUploadHeader(\"a\")", "call fileUpload()"),
        ("fileUploadPos()", "call fileUpload()"),
        ("fileUploadContent()", "connect to progress()"),
        ("fileUploadTail()", "call fileUpload()"),
        ("fileDownloadHeader(\"a\")", "call fileDownload()"),
        ("fileDownloadContent()", "connect to progress()"),
        ("fileDownloadTail()", "call fileDownload()"),
        ("fileUploadRecvData(100, entries)", "call fileUpload() or fileDownload()"),
        ("file_clc_md5(digest)", "use QCryptographicHash"),
    ] {
        let subclass = |body: &str| {
            format!(
                "#include \"fileclient.h\"\n\
                 struct Mine : FileClient {{\n\
                 \x20   using FileClient::FileClient;\n\
                 \x20   QMap<QString, QVariant> entries;\n\
                 \x20   QString digest;\n\
                 \x20   bool test() {{ paramInit(); {body} return socketConnect(); }}\n\
                 }};\n"
            )
        };
        assert_compiles(qt, &subclass(""));
        let outcome = checked(qt, &subclass(&format!("{call};")));
        assert_ne!(outcome.code, Some(0), "{call}");
        assert!(outcome.stderr.contains(instead), "{call}: {outcome:#?}");
    }
}

fn an_older_header_in_the_include_path_is_named(qt: Qt) {
    let directory = tempdir().unwrap();
    fs::write(directory.path().join("fileclient.h"), OLDER).unwrap();
    for name in ["fileclient.cpp", "fileclientcall.cpp"] {
        let source = bins::workspace().join("include/qt").join(name);
        let outcome = run(compiler(qt, directory.path()).arg("-fsyntax-only").arg(&source));
        assert_ne!(outcome.code, Some(0), "{name}");
        assert!(outcome.stderr.contains("Delete that fileclient.h"), "{name}: {outcome:#?}");
    }
}

/// Where no include path leads to it, only the linker can see it.
fn an_older_header_beside_the_source_does_not_link(qt: Qt) {
    for (older, links) in [(true, false), (false, true)] {
        let directory = tempdir().unwrap();
        let app = directory.path().join("app");
        fs::create_dir(&app).unwrap();
        if older {
            fs::write(app.join("fileclient.h"), OLDER).unwrap();
        }
        fs::write(app.join("main.cpp"), CALLER).unwrap();
        let mut command = compiler(qt, directory.path());
        command.arg("app/main.cpp").arg(clients(qt).join("libfileclient.a"));
        let library = &ffi::library().run;
        command.arg(library.join("libftx.so.1")).args(flags(qt, "--libs")).args(["-o", "app/app"]);
        let outcome = run(&mut command);
        assert_eq!(outcome.code == Some(0), links, "{outcome:#?}");
        let missing = "FileClient::FileClient(QString, unsigned short, QObject*)'";
        assert_eq!(outcome.stderr.contains(missing), older, "{outcome:#?}");
    }
}
