# For qmake: include(PREFIX/include/ftx/qt/ftx.pri) in the application's .pro file.
QT += core
CONFIG += c++11

HEADERS += $$PWD/fileclient.h $$PWD/fileclient_p.h $$PWD/ftxclient.h $$PWD/ftxsupport.h
SOURCES += $$PWD/fileclient.cpp $$PWD/fileclientcall.cpp $$PWD/ftxclient.cpp $$PWD/ftxsupport.cpp
INCLUDEPATH += $$PWD $$clean_path($$PWD/../..)
LIBS += -L$$clean_path($$PWD/../../../lib) -lftx
# Finds the library where it was installed; remove this line from an application that ships its own
# copy.
QMAKE_RPATHDIR += $$clean_path($$PWD/../../../lib)
