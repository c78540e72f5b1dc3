# pageferry_room(NAME SOURCES file... DEPENDS target...)
#
# A room of the house: one static library, pageferry_NAME, which other targets
# include from the top of the tree.
function(pageferry_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(pageferry_${name} STATIC ${ROOM_SOURCES})
  target_include_directories(pageferry_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_link_libraries(pageferry_${name} PUBLIC ${ROOM_DEPENDS}
                        PRIVATE $<BUILD_INTERFACE:pageferry_options>)
endfunction()

# pageferry_test(NAME SOURCES file... DEPENDS target...)
#
# One GoogleTest program; each of its tests is known to ctest under the label
# `unit`, unless LABEL says otherwise.
function(pageferry_test name)
  cmake_parse_arguments(TEST "" "LABEL" "SOURCES;DEPENDS" ${ARGN})
  if(NOT TEST_LABEL)
    set(TEST_LABEL unit)
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${TEST_DEPENDS} pageferry_options
                        GTest::gmock GTest::gtest_main)
  include(GoogleTest)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60
                       PROPERTIES LABELS ${TEST_LABEL} TIMEOUT 300)
endfunction()
