// Fields of the core kinds: one line per message, after the Go types of Kubernetes 1.36. A field is
// name:type, then @keys (a list merged by these keys, @ alone: a set), * (a pointer: its zero is a value), ! (required), #number (its
// place in protobuf). Types: s text, i whole number, f number, b flag, y bytes, q quantity, p int-or-string, t time, u time with
// microseconds, raw not looked into, {x} map, [x] list, anything else a message. ^ lays a message's fields into its parent.

export const coreSchema = `
ObjectMeta: name:s#1 generateName:s#2 namespace:s#3 selfLink:s#4 uid:s#5 resourceVersion:s#6 generation:i#7 creationTimestamp:t#8 deletionTimestamp:t*#9 deletionGracePeriodSeconds:i*#10 labels:{s}#11 annotations:{s}#12 ownerReferences:[OwnerReference]@uid#13 finalizers:[s]@#14 managedFields:[ManagedFieldsEntry]#17
OwnerReference: apiVersion:s!#5 kind:s!#1 name:s!#3 uid:s!#4 controller:b*#6 blockOwnerDeletion:b*#7
ManagedFieldsEntry: manager:s#1 operation:s#2 apiVersion:s#3 time:t*#4 fieldsType:s#6 fieldsV1:raw*#7 subresource:s#8
NamespaceSpec: finalizers:[s]#1
NamespaceStatus: phase:s#1 conditions:[NamespaceCondition]@type#2
NamespaceCondition: type:s!#1 status:s!#2 lastTransitionTime:t#4 reason:s#5 message:s#6
Namespace: apiVersion:s kind:s metadata:ObjectMeta#1 spec:NamespaceSpec#2 status:NamespaceStatus#3
NodeSpec: podCIDR:s#1 podCIDRs:[s]@#7 providerID:s#3 unschedulable:b#4 taints:[Taint]#5 configSource:NodeConfigSource*#6 externalID:s#2
Taint: key:s!#1 value:s#2 effect:s!#3 timeAdded:t*#4
NodeConfigSource: configMap:ConfigMapNodeConfigSource*#2
ConfigMapNodeConfigSource: namespace:s!#1 name:s!#2 uid:s#3 resourceVersion:s#4 kubeletConfigKey:s!#5
NodeStatus: capacity:{q}#1 allocatable:{q}#2 phase:s#3 conditions:[NodeCondition]@type#4 addresses:[NodeAddress]@type#5 daemonEndpoints:NodeDaemonEndpoints#6 nodeInfo:NodeSystemInfo#7 images:[ContainerImage]#8 volumesInUse:[s]#9 volumesAttached:[AttachedVolume]#10 config:NodeConfigStatus*#11 runtimeHandlers:[NodeRuntimeHandler]#12 features:NodeFeatures*#13 declaredFeatures:[s]#14
NodeCondition: type:s!#1 status:s!#2 lastHeartbeatTime:t#3 lastTransitionTime:t#4 reason:s#5 message:s#6
NodeAddress: type:s!#1 address:s!#2
NodeDaemonEndpoints: kubeletEndpoint:DaemonEndpoint#1
DaemonEndpoint: Port:i!#1
NodeSystemInfo: machineID:s!#1 systemUUID:s!#2 bootID:s!#3 kernelVersion:s!#4 osImage:s!#5 containerRuntimeVersion:s!#6 kubeletVersion:s!#7 kubeProxyVersion:s!#8 operatingSystem:s!#9 architecture:s!#10 swap:NodeSwapStatus*#11
NodeSwapStatus: capacity:i*#1
ContainerImage: names:[s]#1 sizeBytes:i#2
AttachedVolume: name:s!#1 devicePath:s!#2
NodeConfigStatus: assigned:NodeConfigSource*#1 active:NodeConfigSource*#2 lastKnownGood:NodeConfigSource*#3 error:s#4
NodeRuntimeHandler: name:s#1 features:NodeRuntimeHandlerFeatures*#2
NodeRuntimeHandlerFeatures: recursiveReadOnlyMounts:b*#1 userNamespaces:b*#2
NodeFeatures: supplementalGroupsPolicy:b*#1
Node: apiVersion:s kind:s metadata:ObjectMeta#1 spec:NodeSpec#2 status:NodeStatus#3
PodSpec: volumes:[Volume]@name#1 initContainers:[Container]@name#20 containers:[Container]@name!#2 ephemeralContainers:[EphemeralContainer]@name#34 restartPolicy:s#3 terminationGracePeriodSeconds:i*#4 activeDeadlineSeconds:i*#5 dnsPolicy:s#6 nodeSelector:{s}#7 serviceAccountName:s#8 serviceAccount:s#9 automountServiceAccountToken:b*#21 nodeName:s#10 hostNetwork:b#11 hostPID:b#12 hostIPC:b#13 shareProcessNamespace:b*#27 securityContext:PodSecurityContext*#14 imagePullSecrets:[LocalObjectReference]@name#15 hostname:s#16 subdomain:s#17 affinity:Affinity*#18 schedulerName:s#19 tolerations:[Toleration]#22 hostAliases:[HostAlias]@ip#23 priorityClassName:s#24 priority:i*#25 dnsConfig:PodDNSConfig*#26 readinessGates:[PodReadinessGate]#28 runtimeClassName:s*#29 enableServiceLinks:b*#30 preemptionPolicy:s*#31 overhead:{q}#32 topologySpreadConstraints:[TopologySpreadConstraint]@topologyKey,whenUnsatisfiable#33 setHostnameAsFQDN:b*#35 os:PodOS*#36 hostUsers:b*#37 schedulingGates:[PodSchedulingGate]@name#38 resourceClaims:[PodResourceClaim]@name#39 resources:ResourceRequirements*#40 hostnameOverride:s*#41 schedulingGroup:PodSchedulingGroup*#43
Volume: name:s!#1 ^:VolumeSource#2
VolumeSource: hostPath:HostPathVolumeSource*#1 emptyDir:EmptyDirVolumeSource*#2 gcePersistentDisk:GCEPersistentDiskVolumeSource*#3 awsElasticBlockStore:AWSElasticBlockStoreVolumeSource*#4 gitRepo:GitRepoVolumeSource*#5 secret:SecretVolumeSource*#6 nfs:NFSVolumeSource*#7 iscsi:ISCSIVolumeSource*#8 glusterfs:GlusterfsVolumeSource*#9 persistentVolumeClaim:PersistentVolumeClaimVolumeSource*#10 rbd:RBDVolumeSource*#11 flexVolume:FlexVolumeSource*#12 cinder:CinderVolumeSource*#13 cephfs:CephFSVolumeSource*#14 flocker:FlockerVolumeSource*#15 downwardAPI:DownwardAPIVolumeSource*#16 fc:FCVolumeSource*#17 azureFile:AzureFileVolumeSource*#18 configMap:ConfigMapVolumeSource*#19 vsphereVolume:VsphereVirtualDiskVolumeSource*#20 quobyte:QuobyteVolumeSource*#21 azureDisk:AzureDiskVolumeSource*#22 photonPersistentDisk:PhotonPersistentDiskVolumeSource*#23 projected:ProjectedVolumeSource*#26 portworxVolume:PortworxVolumeSource*#24 scaleIO:ScaleIOVolumeSource*#25 storageos:StorageOSVolumeSource*#27 csi:CSIVolumeSource*#28 ephemeral:EphemeralVolumeSource*#29 image:ImageVolumeSource*#30
HostPathVolumeSource: path:s!#1 type:s*#2
EmptyDirVolumeSource: medium:s#1 sizeLimit:q*#2
GCEPersistentDiskVolumeSource: pdName:s!#1 fsType:s#2 partition:i#3 readOnly:b#4
AWSElasticBlockStoreVolumeSource: volumeID:s!#1 fsType:s#2 partition:i#3 readOnly:b#4
GitRepoVolumeSource: repository:s!#1 revision:s#2 directory:s#3
SecretVolumeSource: secretName:s#1 items:[KeyToPath]#2 defaultMode:i*#3 optional:b*#4
KeyToPath: key:s!#1 path:s!#2 mode:i*#3
NFSVolumeSource: server:s!#1 path:s!#2 readOnly:b#3
ISCSIVolumeSource: targetPortal:s!#1 iqn:s!#2 lun:i!#3 iscsiInterface:s#4 fsType:s#5 readOnly:b#6 portals:[s]#7 chapAuthDiscovery:b#8 chapAuthSession:b#11 secretRef:LocalObjectReference*#10 initiatorName:s*#12
LocalObjectReference: name:s#1
GlusterfsVolumeSource: endpoints:s!#1 path:s!#2 readOnly:b#3
PersistentVolumeClaimVolumeSource: claimName:s!#1 readOnly:b#2
RBDVolumeSource: monitors:[s]!#1 image:s!#2 fsType:s#3 pool:s#4 user:s#5 keyring:s#6 secretRef:LocalObjectReference*#7 readOnly:b#8
FlexVolumeSource: driver:s!#1 fsType:s#2 secretRef:LocalObjectReference*#3 readOnly:b#4 options:{s}#5
CinderVolumeSource: volumeID:s!#1 fsType:s#2 readOnly:b#3 secretRef:LocalObjectReference*#4
CephFSVolumeSource: monitors:[s]!#1 path:s#2 user:s#3 secretFile:s#4 secretRef:LocalObjectReference*#5 readOnly:b#6
FlockerVolumeSource: datasetName:s#1 datasetUUID:s#2
DownwardAPIVolumeSource: items:[DownwardAPIVolumeFile]#1 defaultMode:i*#2
DownwardAPIVolumeFile: path:s!#1 fieldRef:ObjectFieldSelector*#2 resourceFieldRef:ResourceFieldSelector*#3 mode:i*#4
ObjectFieldSelector: apiVersion:s#1 fieldPath:s!#2
ResourceFieldSelector: containerName:s#1 resource:s!#2 divisor:q#3
FCVolumeSource: targetWWNs:[s]#1 lun:i*#2 fsType:s#3 readOnly:b#4 wwids:[s]#5
AzureFileVolumeSource: secretName:s!#1 shareName:s!#2 readOnly:b#3
ConfigMapVolumeSource: ^:LocalObjectReference#1 items:[KeyToPath]#2 defaultMode:i*#3 optional:b*#4
VsphereVirtualDiskVolumeSource: volumePath:s!#1 fsType:s#2 storagePolicyName:s#3 storagePolicyID:s#4
QuobyteVolumeSource: registry:s!#1 volume:s!#2 readOnly:b#3 user:s#4 group:s#5 tenant:s#6
AzureDiskVolumeSource: diskName:s!#1 diskURI:s!#2 cachingMode:s*#3 fsType:s*#4 readOnly:b*#5 kind:s*#6
PhotonPersistentDiskVolumeSource: pdID:s!#1 fsType:s#2
ProjectedVolumeSource: sources:[VolumeProjection]#1 defaultMode:i*#2
VolumeProjection: secret:SecretProjection*#1 downwardAPI:DownwardAPIProjection*#2 configMap:ConfigMapProjection*#3 serviceAccountToken:ServiceAccountTokenProjection*#4 clusterTrustBundle:ClusterTrustBundleProjection*#5 podCertificate:PodCertificateProjection*#6
SecretProjection: ^:LocalObjectReference#1 items:[KeyToPath]#2 optional:b*#4
DownwardAPIProjection: items:[DownwardAPIVolumeFile]#1
ConfigMapProjection: ^:LocalObjectReference#1 items:[KeyToPath]#2 optional:b*#4
ServiceAccountTokenProjection: audience:s#1 expirationSeconds:i*#2 path:s!#3
ClusterTrustBundleProjection: name:s*#1 signerName:s*#2 labelSelector:LabelSelector*#3 optional:b*#5 path:s!#4
LabelSelector: matchLabels:{s}#1 matchExpressions:[LabelSelectorRequirement]#2
LabelSelectorRequirement: key:s!#1 operator:s!#2 values:[s]#3
PodCertificateProjection: signerName:s#1 keyType:s#2 maxExpirationSeconds:i*#3 credentialBundlePath:s#4 keyPath:s#5 certificateChainPath:s#6 userAnnotations:{s}#7
PortworxVolumeSource: volumeID:s!#1 fsType:s#2 readOnly:b#3
ScaleIOVolumeSource: gateway:s!#1 system:s!#2 secretRef:LocalObjectReference*!#3 sslEnabled:b#4 protectionDomain:s#5 storagePool:s#6 storageMode:s#7 volumeName:s#8 fsType:s#9 readOnly:b#10
StorageOSVolumeSource: volumeName:s#1 volumeNamespace:s#2 fsType:s#3 readOnly:b#4 secretRef:LocalObjectReference*#5
CSIVolumeSource: driver:s!#1 readOnly:b*#2 fsType:s*#3 volumeAttributes:{s}#4 nodePublishSecretRef:LocalObjectReference*#5
EphemeralVolumeSource: volumeClaimTemplate:PersistentVolumeClaimTemplate*#1
PersistentVolumeClaimTemplate: metadata:ObjectMeta#1 spec:PersistentVolumeClaimSpec!#2
PersistentVolumeClaimSpec: accessModes:[s]#1 selector:LabelSelector*#4 resources:VolumeResourceRequirements#2 volumeName:s#3 storageClassName:s*#5 volumeMode:s*#6 dataSource:TypedLocalObjectReference*#7 dataSourceRef:TypedObjectReference*#8 volumeAttributesClassName:s*#9
VolumeResourceRequirements: limits:{q}#1 requests:{q}#2
TypedLocalObjectReference: apiGroup:s*#1 kind:s!#2 name:s!#3
TypedObjectReference: apiGroup:s*#1 kind:s!#2 name:s!#3 namespace:s*#4
ImageVolumeSource: reference:s#1 pullPolicy:s#2
Container: name:s!#1 image:s#2 command:[s]#3 args:[s]#4 workingDir:s#5 ports:[ContainerPort]@containerPort,protocol#6 envFrom:[EnvFromSource]#19 env:[EnvVar]@name#7 resources:ResourceRequirements#8 resizePolicy:[ContainerResizePolicy]#23 restartPolicy:s*#24 restartPolicyRules:[ContainerRestartRule]#25 volumeMounts:[VolumeMount]@mountPath#9 volumeDevices:[VolumeDevice]@devicePath#21 livenessProbe:Probe*#10 readinessProbe:Probe*#11 startupProbe:Probe*#22 lifecycle:Lifecycle*#12 terminationMessagePath:s#13 terminationMessagePolicy:s#20 imagePullPolicy:s#14 securityContext:SecurityContext*#15 stdin:b#16 stdinOnce:b#17 tty:b#18
ContainerPort: name:s#1 hostPort:i#2 containerPort:i!#3 protocol:s#4 hostIP:s#5
EnvFromSource: prefix:s#1 configMapRef:ConfigMapEnvSource*#2 secretRef:SecretEnvSource*#3
ConfigMapEnvSource: ^:LocalObjectReference#1 optional:b*#2
SecretEnvSource: ^:LocalObjectReference#1 optional:b*#2
EnvVar: name:s!#1 value:s#2 valueFrom:EnvVarSource*#3
EnvVarSource: fieldRef:ObjectFieldSelector*#1 resourceFieldRef:ResourceFieldSelector*#2 configMapKeyRef:ConfigMapKeySelector*#3 secretKeyRef:SecretKeySelector*#4 fileKeyRef:FileKeySelector*#5
ConfigMapKeySelector: ^:LocalObjectReference#1 key:s!#2 optional:b*#3
SecretKeySelector: ^:LocalObjectReference#1 key:s!#2 optional:b*#3
FileKeySelector: volumeName:s!#1 path:s!#2 key:s!#3 optional:b*#4
ResourceRequirements: limits:{q}#1 requests:{q}#2 claims:[ResourceClaim]@name#3
ResourceClaim: name:s!#1 request:s#2
ContainerResizePolicy: resourceName:s!#1 restartPolicy:s!#2
ContainerRestartRule: action:s#1 exitCodes:ContainerRestartRuleOnExitCodes*#2
ContainerRestartRuleOnExitCodes: operator:s#1 values:[i]@#2
VolumeMount: name:s!#1 readOnly:b#2 recursiveReadOnly:s*#7 mountPath:s!#3 subPath:s#4 mountPropagation:s*#5 subPathExpr:s#6
VolumeDevice: name:s!#1 devicePath:s!#2
Probe: ^:ProbeHandler#1 initialDelaySeconds:i#2 timeoutSeconds:i#3 periodSeconds:i#4 successThreshold:i#5 failureThreshold:i#6 terminationGracePeriodSeconds:i*#7
ProbeHandler: exec:ExecAction*#1 httpGet:HTTPGetAction*#2 tcpSocket:TCPSocketAction*#3 grpc:GRPCAction*#4
ExecAction: command:[s]#1
HTTPGetAction: path:s#1 port:p!#2 host:s#3 scheme:s#4 httpHeaders:[HTTPHeader]#5
HTTPHeader: name:s!#1 value:s!#2
TCPSocketAction: port:p!#1 host:s#2
GRPCAction: port:i!#1 service:s*#2
Lifecycle: postStart:LifecycleHandler*#1 preStop:LifecycleHandler*#2 stopSignal:s*#3
LifecycleHandler: exec:ExecAction*#1 httpGet:HTTPGetAction*#2 tcpSocket:TCPSocketAction*#3 sleep:SleepAction*#4
SleepAction: seconds:i!#1
SecurityContext: capabilities:Capabilities*#1 privileged:b*#2 seLinuxOptions:SELinuxOptions*#3 windowsOptions:WindowsSecurityContextOptions*#10 runAsUser:i*#4 runAsGroup:i*#8 runAsNonRoot:b*#5 readOnlyRootFilesystem:b*#6 allowPrivilegeEscalation:b*#7 procMount:s*#9 seccompProfile:SeccompProfile*#11 appArmorProfile:AppArmorProfile*#12
Capabilities: add:[s]#1 drop:[s]#2
SELinuxOptions: user:s#1 role:s#2 type:s#3 level:s#4
WindowsSecurityContextOptions: gmsaCredentialSpecName:s*#1 gmsaCredentialSpec:s*#2 runAsUserName:s*#3 hostProcess:b*#4
SeccompProfile: type:s!#1 localhostProfile:s*#2
AppArmorProfile: type:s!#1 localhostProfile:s*#2
EphemeralContainer: ^:EphemeralContainerCommon#1 targetContainerName:s#2
EphemeralContainerCommon: name:s!#1 image:s#2 command:[s]#3 args:[s]#4 workingDir:s#5 ports:[ContainerPort]@containerPort,protocol#6 envFrom:[EnvFromSource]#19 env:[EnvVar]@name#7 resources:ResourceRequirements#8 resizePolicy:[ContainerResizePolicy]#23 restartPolicy:s*#24 restartPolicyRules:[ContainerRestartRule]#25 volumeMounts:[VolumeMount]@mountPath#9 volumeDevices:[VolumeDevice]@devicePath#21 livenessProbe:Probe*#10 readinessProbe:Probe*#11 startupProbe:Probe*#22 lifecycle:Lifecycle*#12 terminationMessagePath:s#13 terminationMessagePolicy:s#20 imagePullPolicy:s#14 securityContext:SecurityContext*#15 stdin:b#16 stdinOnce:b#17 tty:b#18
PodSecurityContext: seLinuxOptions:SELinuxOptions*#1 windowsOptions:WindowsSecurityContextOptions*#8 runAsUser:i*#2 runAsGroup:i*#6 runAsNonRoot:b*#3 supplementalGroups:[i]#4 supplementalGroupsPolicy:s*#12 fsGroup:i*#5 sysctls:[Sysctl]#7 fsGroupChangePolicy:s*#9 seccompProfile:SeccompProfile*#10 appArmorProfile:AppArmorProfile*#11 seLinuxChangePolicy:s*#13
Sysctl: name:s!#1 value:s!#2
Affinity: nodeAffinity:NodeAffinity*#1 podAffinity:PodAffinity*#2 podAntiAffinity:PodAntiAffinity*#3
NodeAffinity: requiredDuringSchedulingIgnoredDuringExecution:NodeSelector*#1 preferredDuringSchedulingIgnoredDuringExecution:[PreferredSchedulingTerm]#2
NodeSelector: nodeSelectorTerms:[NodeSelectorTerm]!#1
NodeSelectorTerm: matchExpressions:[NodeSelectorRequirement]#1 matchFields:[NodeSelectorRequirement]#2
NodeSelectorRequirement: key:s!#1 operator:s!#2 values:[s]#3
PreferredSchedulingTerm: weight:i!#1 preference:NodeSelectorTerm!#2
PodAffinity: requiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm]#1 preferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm]#2
PodAffinityTerm: labelSelector:LabelSelector*#1 namespaces:[s]#2 topologyKey:s!#3 namespaceSelector:LabelSelector*#4 matchLabelKeys:[s]#5 mismatchLabelKeys:[s]#6
WeightedPodAffinityTerm: weight:i!#1 podAffinityTerm:PodAffinityTerm!#2
PodAntiAffinity: requiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm]#1 preferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm]#2
Toleration: key:s#1 operator:s#2 value:s#3 effect:s#4 tolerationSeconds:i*#5
HostAlias: ip:s!#1 hostnames:[s]#2
PodDNSConfig: nameservers:[s]#1 searches:[s]#2 options:[PodDNSConfigOption]#3
PodDNSConfigOption: name:s#1 value:s*#2
PodReadinessGate: conditionType:s!#1
TopologySpreadConstraint: maxSkew:i!#1 topologyKey:s!#2 whenUnsatisfiable:s!#3 labelSelector:LabelSelector*#4 minDomains:i*#5 nodeAffinityPolicy:s*#6 nodeTaintsPolicy:s*#7 matchLabelKeys:[s]#8
PodOS: name:s!#1
PodSchedulingGate: name:s!#1
PodResourceClaim: name:s!#1 resourceClaimName:s*#3 resourceClaimTemplateName:s*#4
PodSchedulingGroup: podGroupName:s*#1
PodStatus: observedGeneration:i#17 phase:s#1 conditions:[PodCondition]@type#2 message:s#3 reason:s#4 nominatedNodeName:s#11 hostIP:s#5 hostIPs:[HostIP]#16 podIP:s#6 podIPs:[PodIP]@ip#12 startTime:t*#7 initContainerStatuses:[ContainerStatus]#10 containerStatuses:[ContainerStatus]#8 qosClass:s#9 ephemeralContainerStatuses:[ContainerStatus]#13 resize:s#14 resourceClaimStatuses:[PodResourceClaimStatus]@name#15 extendedResourceClaimStatus:PodExtendedResourceClaimStatus*#18 allocatedResources:{q}#19 resources:ResourceRequirements*#20 nodeAllocatableResourceClaimStatuses:[NodeAllocatableResourceClaimStatus]#21
PodCondition: type:s!#1 observedGeneration:i#7 status:s!#2 lastProbeTime:t#3 lastTransitionTime:t#4 reason:s#5 message:s#6
HostIP: ip:s!#1
PodIP: ip:s!#1
ContainerStatus: name:s!#1 state:ContainerState#2 lastState:ContainerState#3 ready:b!#4 restartCount:i!#5 image:s!#6 imageID:s!#7 containerID:s#8 started:b*#9 allocatedResources:{q}#10 resources:ResourceRequirements*#11 volumeMounts:[VolumeMountStatus]@mountPath#12 user:ContainerUser*#13 allocatedResourcesStatus:[ResourceStatus]@name#14 stopSignal:s*#15
ContainerState: waiting:ContainerStateWaiting*#1 running:ContainerStateRunning*#2 terminated:ContainerStateTerminated*#3
ContainerStateWaiting: reason:s#1 message:s#2
ContainerStateRunning: startedAt:t#1
ContainerStateTerminated: exitCode:i!#1 signal:i#2 reason:s#3 message:s#4 startedAt:t#5 finishedAt:t#6 containerID:s#7
VolumeMountStatus: name:s!#1 mountPath:s!#2 readOnly:b#3 recursiveReadOnly:s*#4 volumeStatus:VolumeStatus*#5
VolumeStatus: image:ImageVolumeStatus*#1
ImageVolumeStatus: imageRef:s#1
ContainerUser: linux:LinuxContainerUser*#1
LinuxContainerUser: uid:i!#1 gid:i!#2 supplementalGroups:[i]#3
ResourceStatus: name:s!#1 resources:[ResourceHealth]@resourceID#2
ResourceHealth: resourceID:s!#1 health:s#2 message:s*#6
PodResourceClaimStatus: name:s!#1 resourceClaimName:s*#2
PodExtendedResourceClaimStatus: requestMappings:[ContainerExtendedResourceRequest]!#1 resourceClaimName:s!#2
ContainerExtendedResourceRequest: containerName:s!#1 resourceName:s!#2 requestName:s!#3
NodeAllocatableResourceClaimStatus: resourceClaimName:s!#1 containers:[s]@#2 resources:{q}!#3
Pod: apiVersion:s kind:s metadata:ObjectMeta#1 spec:PodSpec#2 status:PodStatus#3
ServiceSpec: ports:[ServicePort]@port,protocol#1 selector:{s}#2 clusterIP:s#3 clusterIPs:[s]#18 type:s#4 externalIPs:[s]#5 sessionAffinity:s#7 loadBalancerIP:s#8 loadBalancerSourceRanges:[s]#9 externalName:s#10 externalTrafficPolicy:s#11 healthCheckNodePort:i#12 publishNotReadyAddresses:b#13 sessionAffinityConfig:SessionAffinityConfig*#14 ipFamilies:[s]#19 ipFamilyPolicy:s*#17 allocateLoadBalancerNodePorts:b*#20 loadBalancerClass:s*#21 internalTrafficPolicy:s*#22 trafficDistribution:s*#23
ServicePort: name:s#1 protocol:s#2 appProtocol:s*#6 port:i!#3 targetPort:p#4 nodePort:i#5
SessionAffinityConfig: clientIP:ClientIPConfig*#1
ClientIPConfig: timeoutSeconds:i*#1
ServiceStatus: loadBalancer:LoadBalancerStatus#1 conditions:[Condition]@type#2
LoadBalancerStatus: ingress:[LoadBalancerIngress]#1
LoadBalancerIngress: ip:s#1 hostname:s#2 ipMode:s*#3 ports:[PortStatus]#4
PortStatus: port:i!#1 protocol:s!#2 error:s*#3
Condition: type:s!#1 status:s!#2 observedGeneration:i#3 lastTransitionTime:t!#4 reason:s!#5 message:s!#6
Service: apiVersion:s kind:s metadata:ObjectMeta#1 spec:ServiceSpec#2 status:ServiceStatus#3
ConfigMap: apiVersion:s kind:s metadata:ObjectMeta#1 immutable:b*#4 data:{s}#2 binaryData:{y}#3
Secret: apiVersion:s kind:s metadata:ObjectMeta#1 immutable:b*#5 data:{y}#2 stringData:{s}#4 type:s#3
ObjectReference: kind:s#1 namespace:s#2 name:s#3 uid:s#4 apiVersion:s#5 resourceVersion:s#6 fieldPath:s#7
ServiceAccount: apiVersion:s kind:s metadata:ObjectMeta#1 secrets:[ObjectReference]@name#2 imagePullSecrets:[LocalObjectReference]#3 automountServiceAccountToken:b*#4
EventSource: component:s#1 host:s#2
EventSeries: count:i#1 lastObservedTime:u#2
Event: apiVersion:s kind:s metadata:ObjectMeta!#1 involvedObject:ObjectReference!#2 reason:s#3 message:s#4 source:EventSource#5 firstTimestamp:t#6 lastTimestamp:t#7 count:i#8 type:s#9 eventTime:u#10 series:EventSeries*#11 action:s#12 related:ObjectReference*#13 reportingComponent:s#14 reportingInstance:s#15
EndpointSubset: addresses:[EndpointAddress]#1 notReadyAddresses:[EndpointAddress]#2 ports:[EndpointPort]#3
EndpointAddress: ip:s!#1 hostname:s#3 nodeName:s*#4 targetRef:ObjectReference*#2
EndpointPort: name:s#1 port:i!#2 protocol:s#3 appProtocol:s*#4
Endpoints: apiVersion:s kind:s metadata:ObjectMeta#1 subsets:[EndpointSubset]#2
PersistentVolumeClaimStatus: phase:s#1 accessModes:[s]#2 capacity:{q}#3 conditions:[PersistentVolumeClaimCondition]@type#4 allocatedResources:{q}#5 allocatedResourceStatuses:{s}#7 currentVolumeAttributesClassName:s*#8 modifyVolumeStatus:ModifyVolumeStatus*#9
PersistentVolumeClaimCondition: type:s!#1 status:s!#2 lastProbeTime:t#3 lastTransitionTime:t#4 reason:s#5 message:s#6
ModifyVolumeStatus: targetVolumeAttributesClassName:s#1 status:s!#2
PersistentVolumeClaim: apiVersion:s kind:s metadata:ObjectMeta#1 spec:PersistentVolumeClaimSpec#2 status:PersistentVolumeClaimStatus#3
PersistentVolumeSpec: capacity:{q}#1 ^:PersistentVolumeSource#2 accessModes:[s]#3 claimRef:ObjectReference*#4 persistentVolumeReclaimPolicy:s#5 storageClassName:s#6 mountOptions:[s]#7 volumeMode:s*#8 nodeAffinity:VolumeNodeAffinity*#9 volumeAttributesClassName:s*#10
PersistentVolumeSource: gcePersistentDisk:GCEPersistentDiskVolumeSource*#1 awsElasticBlockStore:AWSElasticBlockStoreVolumeSource*#2 hostPath:HostPathVolumeSource*#3 glusterfs:GlusterfsPersistentVolumeSource*#4 nfs:NFSVolumeSource*#5 rbd:RBDPersistentVolumeSource*#6 iscsi:ISCSIPersistentVolumeSource*#7 cinder:CinderPersistentVolumeSource*#8 cephfs:CephFSPersistentVolumeSource*#9 fc:FCVolumeSource*#10 flocker:FlockerVolumeSource*#11 flexVolume:FlexPersistentVolumeSource*#12 azureFile:AzureFilePersistentVolumeSource*#13 vsphereVolume:VsphereVirtualDiskVolumeSource*#14 quobyte:QuobyteVolumeSource*#15 azureDisk:AzureDiskVolumeSource*#16 photonPersistentDisk:PhotonPersistentDiskVolumeSource*#17 portworxVolume:PortworxVolumeSource*#18 scaleIO:ScaleIOPersistentVolumeSource*#19 local:LocalVolumeSource*#20 storageos:StorageOSPersistentVolumeSource*#21 csi:CSIPersistentVolumeSource*#22
GlusterfsPersistentVolumeSource: endpoints:s!#1 path:s!#2 readOnly:b#3 endpointsNamespace:s*#4
RBDPersistentVolumeSource: monitors:[s]!#1 image:s!#2 fsType:s#3 pool:s#4 user:s#5 keyring:s#6 secretRef:SecretReference*#7 readOnly:b#8
SecretReference: name:s#1 namespace:s#2
ISCSIPersistentVolumeSource: targetPortal:s!#1 iqn:s!#2 lun:i!#3 iscsiInterface:s#4 fsType:s#5 readOnly:b#6 portals:[s]#7 chapAuthDiscovery:b#8 chapAuthSession:b#11 secretRef:SecretReference*#10 initiatorName:s*#12
CinderPersistentVolumeSource: volumeID:s!#1 fsType:s#2 readOnly:b#3 secretRef:SecretReference*#4
CephFSPersistentVolumeSource: monitors:[s]!#1 path:s#2 user:s#3 secretFile:s#4 secretRef:SecretReference*#5 readOnly:b#6
FlexPersistentVolumeSource: driver:s!#1 fsType:s#2 secretRef:SecretReference*#3 readOnly:b#4 options:{s}#5
AzureFilePersistentVolumeSource: secretName:s!#1 shareName:s!#2 readOnly:b#3 secretNamespace:s*#4
ScaleIOPersistentVolumeSource: gateway:s!#1 system:s!#2 secretRef:SecretReference*!#3 sslEnabled:b#4 protectionDomain:s#5 storagePool:s#6 storageMode:s#7 volumeName:s#8 fsType:s#9 readOnly:b#10
LocalVolumeSource: path:s!#1 fsType:s*#2
StorageOSPersistentVolumeSource: volumeName:s#1 volumeNamespace:s#2 fsType:s#3 readOnly:b#4 secretRef:ObjectReference*#5
CSIPersistentVolumeSource: driver:s!#1 volumeHandle:s!#2 readOnly:b#3 fsType:s#4 volumeAttributes:{s}#5 controllerPublishSecretRef:SecretReference*#6 nodeStageSecretRef:SecretReference*#7 nodePublishSecretRef:SecretReference*#8 controllerExpandSecretRef:SecretReference*#9 nodeExpandSecretRef:SecretReference*#10
VolumeNodeAffinity: required:NodeSelector*#1
PersistentVolumeStatus: phase:s#1 message:s#2 reason:s#3 lastPhaseTransitionTime:t*#4
PersistentVolume: apiVersion:s kind:s metadata:ObjectMeta#1 spec:PersistentVolumeSpec#2 status:PersistentVolumeStatus#3
ReplicationControllerSpec: replicas:i*#1 minReadySeconds:i#4 selector:{s}#2 template:PodTemplateSpec*#3
PodTemplateSpec: metadata:ObjectMeta#1 spec:PodSpec#2
ReplicationControllerStatus: replicas:i!#1 fullyLabeledReplicas:i#2 readyReplicas:i#4 availableReplicas:i#5 observedGeneration:i#3 conditions:[ReplicationControllerCondition]@type#6
ReplicationControllerCondition: type:s!#1 status:s!#2 lastTransitionTime:t#3 reason:s#4 message:s#5
ReplicationController: apiVersion:s kind:s metadata:ObjectMeta#1 spec:ReplicationControllerSpec#2 status:ReplicationControllerStatus#3
ResourceQuotaSpec: hard:{q}#1 scopes:[s]#2 scopeSelector:ScopeSelector*#3
ScopeSelector: matchExpressions:[ScopedResourceSelectorRequirement]#1
ScopedResourceSelectorRequirement: scopeName:s!#1 operator:s!#2 values:[s]#3
ResourceQuotaStatus: hard:{q}#1 used:{q}#2
ResourceQuota: apiVersion:s kind:s metadata:ObjectMeta#1 spec:ResourceQuotaSpec#2 status:ResourceQuotaStatus#3
LimitRangeSpec: limits:[LimitRangeItem]!#1
LimitRangeItem: type:s!#1 max:{q}#2 min:{q}#3 default:{q}#4 defaultRequest:{q}#5 maxLimitRequestRatio:{q}#6
LimitRange: apiVersion:s kind:s metadata:ObjectMeta#1 spec:LimitRangeSpec#2
Binding: apiVersion:s kind:s metadata:ObjectMeta#1 target:ObjectReference!#2
`;
