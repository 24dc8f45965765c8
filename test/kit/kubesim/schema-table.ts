// The fields of the kinds kubesim knows, in one line per type: field:type, `!` = required. Types: s text, i whole number, b true or
// false, q quantity, p int-or-string, t time, any = an object not looked into, {x} map, [x] list, [x]@a,b list merged by its keys a
// and b, [s]@ a set. A type that stands here is listed whole, because strict field validation refuses what it does not find.

export const schemaTable = `
ObjectMeta: annotations:{s} creationTimestamp:t deletionGracePeriodSeconds:i deletionTimestamp:t finalizers:[s]@ generateName:s generation:i labels:{s} managedFields:[any] name:s namespace:s ownerReferences:[OwnerReference]@uid resourceVersion:s selfLink:s uid:s
OwnerReference: apiVersion:s! blockOwnerDeletion:b controller:b kind:s! name:s! uid:s!
LabelSelector: matchExpressions:[any] matchLabels:{s}
Namespace: apiVersion:s kind:s metadata:ObjectMeta spec:NamespaceSpec status:Status
NamespaceSpec: finalizers:[s]
Node: apiVersion:s kind:s metadata:ObjectMeta spec:NodeSpec status:Status
NodeSpec: configSource:any externalID:s podCIDR:s podCIDRs:[s]@ providerID:s taints:[any]@key,effect unschedulable:b
Pod: apiVersion:s kind:s metadata:ObjectMeta spec:PodSpec status:Status
PodTemplateSpec: metadata:ObjectMeta spec:PodSpec
PodSpec: activeDeadlineSeconds:i affinity:any automountServiceAccountToken:b containers:[Container]@name! dnsConfig:any dnsPolicy:s enableServiceLinks:b ephemeralContainers:[Container]@name hostAliases:[any]@ip hostIPC:b hostNetwork:b hostPID:b hostUsers:b hostname:s hostnameOverride:s imagePullSecrets:[any]@name initContainers:[Container]@name nodeName:s nodeSelector:{s} os:any overhead:{q} preemptionPolicy:s priority:i priorityClassName:s readinessGates:[any] resourceClaims:[any]@name resources:ResourceRequirements restartPolicy:s runtimeClassName:s schedulerName:s schedulingGates:[any]@name schedulingGroup:any securityContext:any serviceAccount:s serviceAccountName:s setHostnameAsFQDN:b shareProcessNamespace:b subdomain:s terminationGracePeriodSeconds:i tolerations:[any] topologySpreadConstraints:[any]@topologyKey,whenUnsatisfiable volumes:[Volume]@name workloadRef:any
Container: args:[s] command:[s] env:[EnvVar]@name envFrom:[any] image:s imagePullPolicy:s lifecycle:any livenessProbe:any name:s! ports:[ContainerPort]@containerPort,protocol readinessProbe:any resizePolicy:[any] resources:ResourceRequirements restartPolicy:s restartPolicyRules:[any] securityContext:any startupProbe:any stdin:b stdinOnce:b targetContainerName:s terminationMessagePath:s terminationMessagePolicy:s tty:b volumeDevices:[any]@devicePath volumeMounts:[VolumeMount]@mountPath workingDir:s
ResourceRequirements: claims:[any]@name limits:{q} requests:{q}
ContainerPort: containerPort:i! hostIP:s hostPort:i name:s protocol:s
EnvVar: name:s! value:s valueFrom:any
Volume: awsElasticBlockStore:any azureDisk:any azureFile:any cephfs:any cinder:any configMap:any csi:any downwardAPI:any emptyDir:any ephemeral:any fc:any flexVolume:any flocker:any gcePersistentDisk:any gitRepo:any glusterfs:any hostPath:any image:any iscsi:any name:s! nfs:any persistentVolumeClaim:any photonPersistentDisk:any portworxVolume:any projected:any quobyte:any rbd:any scaleIO:any secret:any storageos:any vsphereVolume:any
VolumeMount: mountPath:s! mountPropagation:s name:s! readOnly:b recursiveReadOnly:s subPath:s subPathExpr:s
Service: apiVersion:s kind:s metadata:ObjectMeta spec:ServiceSpec status:Status
ServiceSpec: allocateLoadBalancerNodePorts:b clusterIP:s clusterIPs:[s] externalIPs:[s] externalName:s externalTrafficPolicy:s healthCheckNodePort:i internalTrafficPolicy:s ipFamilies:[s] ipFamilyPolicy:s loadBalancerClass:s loadBalancerIP:s loadBalancerSourceRanges:[s] ports:[ServicePort]@port,protocol publishNotReadyAddresses:b selector:{s} sessionAffinity:s sessionAffinityConfig:any trafficDistribution:s type:s
ServicePort: appProtocol:s name:s nodePort:i port:i! protocol:s targetPort:p
ConfigMap: apiVersion:s kind:s metadata:ObjectMeta data:{s} binaryData:{s} immutable:b
Secret: apiVersion:s kind:s metadata:ObjectMeta data:{s} stringData:{s} type:s immutable:b
ServiceAccount: apiVersion:s kind:s metadata:ObjectMeta automountServiceAccountToken:b imagePullSecrets:[any] secrets:[any]@name
PersistentVolumeClaim: apiVersion:s kind:s metadata:ObjectMeta spec:PersistentVolumeClaimSpec status:Status
PersistentVolumeClaimSpec: accessModes:[s] dataSource:any dataSourceRef:any resources:any selector:LabelSelector storageClassName:s volumeAttributesClassName:s volumeMode:s volumeName:s
Deployment: apiVersion:s kind:s metadata:ObjectMeta spec:DeploymentSpec status:Status
DeploymentSpec: minReadySeconds:i paused:b progressDeadlineSeconds:i replicas:i revisionHistoryLimit:i selector:LabelSelector! strategy:any template:PodTemplateSpec!
ReplicaSet: apiVersion:s kind:s metadata:ObjectMeta spec:ReplicaSetSpec status:Status
ReplicaSetSpec: minReadySeconds:i replicas:i selector:LabelSelector! template:PodTemplateSpec
StatefulSet: apiVersion:s kind:s metadata:ObjectMeta spec:StatefulSetSpec status:Status
StatefulSetSpec: minReadySeconds:i ordinals:any persistentVolumeClaimRetentionPolicy:any podManagementPolicy:s replicas:i revisionHistoryLimit:i selector:LabelSelector! serviceName:s template:PodTemplateSpec! updateStrategy:any volumeClaimTemplates:[PersistentVolumeClaim]
DaemonSet: apiVersion:s kind:s metadata:ObjectMeta spec:DaemonSetSpec status:Status
DaemonSetSpec: minReadySeconds:i revisionHistoryLimit:i selector:LabelSelector! template:PodTemplateSpec! updateStrategy:any
Job: apiVersion:s kind:s metadata:ObjectMeta spec:JobSpec status:Status
JobSpec: activeDeadlineSeconds:i backoffLimit:i backoffLimitPerIndex:i completionMode:s completions:i managedBy:s manualSelector:b maxFailedIndexes:i parallelism:i podFailurePolicy:any podReplacementPolicy:s scheduling:any selector:LabelSelector successPolicy:any suspend:b template:PodTemplateSpec! ttlSecondsAfterFinished:i
CronJob: apiVersion:s kind:s metadata:ObjectMeta spec:CronJobSpec status:Status
CronJobSpec: concurrencyPolicy:s failedJobsHistoryLimit:i jobTemplate:JobTemplateSpec! schedule:s! startingDeadlineSeconds:i successfulJobsHistoryLimit:i suspend:b timeZone:s
JobTemplateSpec: metadata:ObjectMeta spec:JobSpec
Status: conditions:[any]@type
ClusterRole: apiVersion:s kind:s metadata:ObjectMeta rules:[PolicyRule] aggregationRule:any
Role: apiVersion:s kind:s metadata:ObjectMeta rules:[PolicyRule]
PolicyRule: apiGroups:[s] nonResourceURLs:[s] resourceNames:[s] resources:[s] verbs:[s]!
ClusterRoleBinding: apiVersion:s kind:s metadata:ObjectMeta roleRef:RoleRef! subjects:[Subject]
RoleBinding: apiVersion:s kind:s metadata:ObjectMeta roleRef:RoleRef! subjects:[Subject]
RoleRef: apiGroup:s kind:s! name:s!
Subject: apiGroup:s kind:s! name:s! namespace:s
Lease: apiVersion:s kind:s metadata:ObjectMeta spec:LeaseSpec
LeaseSpec: acquireTime:t holderIdentity:s leaseDurationSeconds:i leaseTransitions:i preferredHolder:s renewTime:t strategy:s
`;

/** What `kubectl explain` prints on top; a type without a line here says its own name. */
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
