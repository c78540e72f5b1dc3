# Installs the development component, and builds and runs a program with it.
# BUILD_DIRECTORY, CONSUMER_DIRECTORY, SCRATCH_DIRECTORY, and CXX_COMPILER and
# CXX_FLAGS as the library was built with (sanitizers).

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "failed (${result}): ${ARGN}")
  endif()
endfunction()

file(REMOVE_RECURSE ${SCRATCH_DIRECTORY})
run(${CMAKE_COMMAND} --install ${BUILD_DIRECTORY}
    --component pageferry_development --prefix ${SCRATCH_DIRECTORY}/installed)
run(${CMAKE_COMMAND} -S ${CONSUMER_DIRECTORY} -B ${SCRATCH_DIRECTORY}/consumer
    -DCMAKE_PREFIX_PATH=${SCRATCH_DIRECTORY}/installed
    -DCMAKE_CXX_COMPILER=${CXX_COMPILER} "-DCMAKE_CXX_FLAGS=${CXX_FLAGS}")
run(${CMAKE_COMMAND} --build ${SCRATCH_DIRECTORY}/consumer)
run(${SCRATCH_DIRECTORY}/consumer/consumer)
