// What `kubectl explain` prints on top; a type without a line here says its own name.

export const schemaTexts: Readonly<Record<string, string>> = {
  Pod: "Pod is a collection of containers that can run on a host.",
  PodSpec: "PodSpec is a description of a pod.",
  Container: "A single application container that you want to run within a pod.",
  Deployment: "Deployment enables declarative updates for Pods and ReplicaSets.",
  DeploymentSpec: "DeploymentSpec is the specification of the desired behavior of the Deployment.",
  Service: "Service is a named abstraction of software service consisting of local port and the selector of the pods that answer.",
  ConfigMap: "ConfigMap holds configuration data for pods to consume.",
  Secret: "Secret holds secret data of a certain type.",
  Namespace: "Namespace provides a scope for Names.",
  Node: "Node is a worker node in Kubernetes.",
  Job: "Job represents the configuration of a single job.",
  CronJob: "CronJob represents the configuration of a single cron job.",
  ObjectMeta: "ObjectMeta is metadata that all persisted resources must have.",
};
