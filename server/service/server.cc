#include "server/service/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/server_builder.h>
#include <sys/stat.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/limits.h"
#include "server/service/call_interceptor.h"

namespace pageferry::service {
namespace {

constexpr char kLiveness[] = "liveness";
constexpr char kReadiness[] = "readiness";

// Reflection is there or not as asked for. That is not a matter of linking the
// reflection library, which adds itself to every builder just by being linked.
class ReflectionOption final : public grpc::ServerBuilderOption {
 public:
  explicit ReflectionOption(bool enabled) : enabled_(enabled) {}

  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>*
                         plugins) override {
    auto reflection =
        std::make_unique<grpc::reflection::ProtoServerReflectionPlugin>();
    std::erase_if(*plugins, [&reflection](const auto& plugin) {
      return plugin->name() == reflection->name();
    });
    if (enabled_) plugins->push_back(std::move(reflection));
  }

 private:
  const bool enabled_;
};

void AddArguments(grpc::ServerBuilder* builder) {
  // Without this two daemons share a port, silently.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                              core::kMaxStreamsPerConnection);
  builder->SetMaxReceiveMessageSize(static_cast<int>(core::kMaxRequestBytes));
}

// The address that is listened on, with the port that was chosen.
std::string BoundAddress(const Endpoint& endpoint, int port) {
  if (!endpoint.unix_path.empty()) return endpoint.address;
  return absl::StrCat(
      endpoint.address.substr(0, endpoint.address.rfind(':') + 1), port);
}

absl::Status PrepareSockets(const std::vector<Endpoint>& endpoints) {
  for (const Endpoint& endpoint : endpoints) {
    if (endpoint.unix_path.empty()) continue;
    absl::Status status = PrepareUnixSocket(endpoint.unix_path);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Create(const Options& options) {
  if (absl::Status status = PrepareSockets(options.endpoints); !status.ok()) {
    return status;
  }
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.SetOption(std::make_unique<ReflectionOption>(options.reflection));
  AddArguments(&builder);
  if (options.call_telemetry != nullptr) {
    std::vector<
        std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
        factories;
    factories.push_back(NewCallInterceptorFactory(options.call_telemetry));
    builder.experimental().SetInterceptorCreators(std::move(factories));
  }
  for (grpc::Service* service : options.services) {
    builder.RegisterService(service);
  }
  // gRPC wants a service of some kind; this one implements no method.
  auto nothing = std::make_unique<grpc::CallbackGenericService>();
  if (options.services.empty()) {
    builder.RegisterCallbackGenericService(nothing.get());
  }
  std::vector<int> ports(options.endpoints.size(), 0);
  for (size_t i = 0; i < ports.size(); ++i) {
    builder.AddListeningPort(options.endpoints[i].address,
                             grpc::InsecureServerCredentials(), &ports[i]);
  }
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  std::vector<std::string> addresses;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Endpoint& endpoint = options.endpoints[i];
    if (server == nullptr || ports[i] == 0) {
      return absl::UnavailableError(
          absl::StrCat("cannot listen on ", endpoint.address,
                       ": in use, or not an address of this machine"));
    }
    addresses.push_back(BoundAddress(endpoint, ports[i]));
  }
  auto created = std::unique_ptr<Server>(
      new Server(std::move(nothing), std::move(server), std::move(addresses)));
  created->server_->GetHealthCheckService()->SetServingStatus(kLiveness, true);
  created->SetReady(false);
  return created;
}

Server::Server(std::unique_ptr<grpc::CallbackGenericService> nothing,
               std::unique_ptr<grpc::Server> server,
               std::vector<std::string> addresses)
    : nothing_(std::move(nothing)),
      server_(std::move(server)),
      addresses_(std::move(addresses)) {}

Server::~Server() { Shutdown(absl::ZeroDuration()); }

void Server::SetReady(bool ready) {
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  health->SetServingStatus(kReadiness, ready);
  health->SetServingStatus("", ready);
}

void Server::Shutdown(absl::Duration timeout) {
  server_->Shutdown(std::chrono::system_clock::now() +
                    absl::ToChronoMicroseconds(timeout));
}

}  // namespace pageferry::service
