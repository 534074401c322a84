# Prints the answers of two version files to every request: those of the installed one and of CMake's own.
#
#   cmake -DINSTALLED=FILE -DVERSION=1.2.3 -P versions.cmake
#
# FILE is a version file of that version.
set(ours ${CMAKE_CURRENT_BINARY_DIR}/ours)
set(cmakes ${CMAKE_CURRENT_BINARY_DIR}/cmakes)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${cmakes}/ftx-config-version.cmake
  VERSION ${VERSION} COMPATIBILITY SameMajorVersion)
configure_file(${INSTALLED} ${ours}/ftx-config-version.cmake COPYONLY)
file(WRITE ${ours}/ftx-config.cmake "")
file(WRITE ${cmakes}/ftx-config.cmake "")

macro(answer request)
  set(answers)
  foreach(directory ours cmakes)
    unset(ftx_FOUND)
    unset(ftx_DIR CACHE)
    find_package(ftx ${request} QUIET CONFIG PATHS ${${directory}} NO_DEFAULT_PATH)
    string(APPEND answers " ${ftx_FOUND}")
  endforeach()
  message("${request}:${answers}")
endmacro()

answer("")
foreach(request 0 1 2 0.1 0.1.0 0.2 1.0 1.2 1.2.3 1.2.4 1.3 2.0)
  answer("${request}")
  answer("${request};EXACT")
endforeach()
foreach(range 0.1...1 0.1...<1 0...<1 0...1 0.0...0.1 0.1...<1.1 0.2...<1
    1...2 1...<2 1.0...<2 1.0...1.2 1.0...1.2.3 1.0...<1.2.3 1.2...<2.0 1.2...<2.1 1.3...<2 2...<3 0...<2)
  answer(${range})
endforeach()
