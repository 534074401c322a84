# find_package(ftx) defines
#
#   ftx::ftx         the C ABI (ftx.h)
#   ftx::ftx_static  the same as an archive, linked into the program
#   ftx::cpp         the C++ header (ftx.hpp)
#   ftx::qt          the Qt classes, if Qt 5 or Qt 6 was found before. Their sources are compiled into
#                    the program, with moc.

get_filename_component(ftx_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

if(NOT TARGET ftx::ftx)
  add_library(ftx::ftx SHARED IMPORTED)
  set_target_properties(ftx::ftx PROPERTIES
    IMPORTED_LOCATION "${ftx_prefix}/lib/libftx.so.1"
    IMPORTED_SONAME libftx.so.1
    INTERFACE_INCLUDE_DIRECTORIES "${ftx_prefix}/include")
  add_library(ftx::ftx_static STATIC IMPORTED)
  set_target_properties(ftx::ftx_static PROPERTIES
    IMPORTED_LOCATION "${ftx_prefix}/lib/libftx.a"
    INTERFACE_INCLUDE_DIRECTORIES "${ftx_prefix}/include"
    INTERFACE_LINK_LIBRARIES "pthread;m;dl")
  add_library(ftx::cpp INTERFACE IMPORTED)
  set_target_properties(ftx::cpp PROPERTIES
    INTERFACE_LINK_LIBRARIES ftx::ftx
    INTERFACE_COMPILE_FEATURES cxx_std_11)
endif()

if(NOT TARGET ftx::qt AND (TARGET Qt5::Core OR TARGET Qt6::Core))
  if(TARGET Qt6::Core)
    set(ftx_qt Qt6)
  else()
    set(ftx_qt Qt5)
  endif()
  set(ftx_qt_sources "${ftx_prefix}/include/ftx/qt")
  add_library(ftx_qt_classes STATIC EXCLUDE_FROM_ALL
    "${ftx_qt_sources}/fileclient.cpp" "${ftx_qt_sources}/fileclientcall.cpp"
    "${ftx_qt_sources}/fileclient.h" "${ftx_qt_sources}/fileclient_p.h"
    "${ftx_qt_sources}/ftxclient.cpp" "${ftx_qt_sources}/ftxclient.h"
    "${ftx_qt_sources}/ftxsupport.cpp" "${ftx_qt_sources}/ftxsupport.h")
  set_target_properties(ftx_qt_classes PROPERTIES
    AUTOMOC ON
    POSITION_INDEPENDENT_CODE ON)
  target_include_directories(ftx_qt_classes PUBLIC "${ftx_qt_sources}")
  target_link_libraries(ftx_qt_classes PUBLIC ftx::cpp ${ftx_qt}::Core)
  add_library(ftx::qt ALIAS ftx_qt_classes)
endif()
