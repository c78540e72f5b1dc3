// A program of somebody else, built from what is installed alone. Asks a daemon
// that is not there, and says what it is told.

#include <iostream>

#include "pageferry/callback_client.h"
#include "pageferry/client.h"

int main() {
  const auto client = pageferry::client::Client::Create("unix:nobody");
  if (!client.ok()) return 1;
  const auto topology = (*client)->GetTopology();
  std::cout << topology.status() << "\n";
  return topology.ok() ? 1 : 0;
}
