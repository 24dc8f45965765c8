// Fields of the kinds outside core: one line per message, after the Go types of Kubernetes 1.36. A field is
// name:type, then @keys (a list merged by these keys, @ alone: a set), * (a pointer: its zero is a value), ! (required), #number (its
// place in protobuf). Types: s text, i whole number, f number, b flag, y bytes, q quantity, p int-or-string, t time, u time with
// microseconds, raw not looked into, {x} map, [x] list, anything else a message. ^ lays a message's fields into its parent.

export const groupSchema = `
DeploymentSpec: replicas:i*#1 selector:LabelSelector*!#2 template:PodTemplateSpec!#3 strategy:DeploymentStrategy#4 minReadySeconds:i#5 revisionHistoryLimit:i*#6 paused:b#7 progressDeadlineSeconds:i*#9
DeploymentStrategy: type:s#1 rollingUpdate:RollingUpdateDeployment*#2
RollingUpdateDeployment: maxUnavailable:p*#1 maxSurge:p*#2
DeploymentStatus: observedGeneration:i#1 replicas:i#2 updatedReplicas:i#3 readyReplicas:i#7 availableReplicas:i#4 unavailableReplicas:i#5 terminatingReplicas:i*#9 conditions:[DeploymentCondition]@type#6 collisionCount:i*#8
DeploymentCondition: type:s!#1 status:s!#2 lastUpdateTime:t#6 lastTransitionTime:t#7 reason:s#4 message:s#5
Deployment: apiVersion:s kind:s metadata:ObjectMeta#1 spec:DeploymentSpec#2 status:DeploymentStatus#3
ReplicaSetSpec: replicas:i*#1 minReadySeconds:i#4 selector:LabelSelector*!#2 template:PodTemplateSpec#3
ReplicaSetStatus: replicas:i!#1 fullyLabeledReplicas:i#2 readyReplicas:i#4 availableReplicas:i#5 terminatingReplicas:i*#7 observedGeneration:i#3 conditions:[ReplicaSetCondition]@type#6
ReplicaSetCondition: type:s!#1 status:s!#2 lastTransitionTime:t#3 reason:s#4 message:s#5
ReplicaSet: apiVersion:s kind:s metadata:ObjectMeta#1 spec:ReplicaSetSpec#2 status:ReplicaSetStatus#3
StatefulSetSpec: replicas:i*#1 selector:LabelSelector*!#2 template:PodTemplateSpec!#3 volumeClaimTemplates:[PersistentVolumeClaim]#4 serviceName:s#5 podManagementPolicy:s#6 updateStrategy:StatefulSetUpdateStrategy#7 revisionHistoryLimit:i*#8 minReadySeconds:i#9 persistentVolumeClaimRetentionPolicy:StatefulSetPersistentVolumeClaimRetentionPolicy*#10 ordinals:StatefulSetOrdinals*#11
StatefulSetUpdateStrategy: type:s#1 rollingUpdate:RollingUpdateStatefulSetStrategy*#2
RollingUpdateStatefulSetStrategy: partition:i*#1 maxUnavailable:p*#2
StatefulSetPersistentVolumeClaimRetentionPolicy: whenDeleted:s#1 whenScaled:s#2
StatefulSetOrdinals: start:i#1
StatefulSetStatus: observedGeneration:i#1 replicas:i!#2 readyReplicas:i#3 currentReplicas:i#4 updatedReplicas:i#5 currentRevision:s#6 updateRevision:s#7 collisionCount:i*#9 conditions:[StatefulSetCondition]@type#10 availableReplicas:i#11
StatefulSetCondition: type:s!#1 status:s!#2 lastTransitionTime:t#3 reason:s#4 message:s#5
StatefulSet: apiVersion:s kind:s metadata:ObjectMeta#1 spec:StatefulSetSpec#2 status:StatefulSetStatus#3
DaemonSetSpec: selector:LabelSelector*!#1 template:PodTemplateSpec!#2 updateStrategy:DaemonSetUpdateStrategy#3 minReadySeconds:i#4 revisionHistoryLimit:i*#6
DaemonSetUpdateStrategy: type:s#1 rollingUpdate:RollingUpdateDaemonSet*#2
RollingUpdateDaemonSet: maxUnavailable:p*#1 maxSurge:p*#2
DaemonSetStatus: currentNumberScheduled:i!#1 numberMisscheduled:i!#2 desiredNumberScheduled:i!#3 numberReady:i!#4 observedGeneration:i#5 updatedNumberScheduled:i#6 numberAvailable:i#7 numberUnavailable:i#8 collisionCount:i*#9 conditions:[DaemonSetCondition]@type#10
DaemonSetCondition: type:s!#1 status:s!#2 lastTransitionTime:t#3 reason:s#4 message:s#5
DaemonSet: apiVersion:s kind:s metadata:ObjectMeta#1 spec:DaemonSetSpec#2 status:DaemonSetStatus#3
JobSpec: parallelism:i*#1 completions:i*#2 activeDeadlineSeconds:i*#3 podFailurePolicy:PodFailurePolicy*#11 successPolicy:SuccessPolicy*#16 backoffLimit:i*#7 backoffLimitPerIndex:i*#12 maxFailedIndexes:i*#13 selector:LabelSelector*#4 manualSelector:b*#5 template:PodTemplateSpec!#6 ttlSecondsAfterFinished:i*#8 completionMode:s*#9 suspend:b*#10 podReplacementPolicy:s*#14 managedBy:s*#15
PodFailurePolicy: rules:[PodFailurePolicyRule]!#1
PodFailurePolicyRule: action:s!#1 onExitCodes:PodFailurePolicyOnExitCodesRequirement*#2 onPodConditions:[PodFailurePolicyOnPodConditionsPattern]#3
PodFailurePolicyOnExitCodesRequirement: containerName:s*#1 operator:s!#2 values:[i]@!#3
PodFailurePolicyOnPodConditionsPattern: type:s!#1 status:s#2
SuccessPolicy: rules:[SuccessPolicyRule]!#1
SuccessPolicyRule: succeededIndexes:s*#1 succeededCount:i*#2
JobStatus: conditions:[JobCondition]#1 startTime:t*#2 completionTime:t*#3 active:i#4 succeeded:i#5 failed:i#6 terminating:i*#11 completedIndexes:s#7 failedIndexes:s*#10 uncountedTerminatedPods:UncountedTerminatedPods*#8 ready:i*#9
JobCondition: type:s!#1 status:s!#2 lastProbeTime:t#3 lastTransitionTime:t#4 reason:s#5 message:s#6
UncountedTerminatedPods: succeeded:[s]@#1 failed:[s]@#2
Job: apiVersion:s kind:s metadata:ObjectMeta#1 spec:JobSpec#2 status:JobStatus#3
CronJobSpec: schedule:s!#1 timeZone:s*#8 startingDeadlineSeconds:i*#2 concurrencyPolicy:s#3 suspend:b*#4 jobTemplate:JobTemplateSpec!#5 successfulJobsHistoryLimit:i*#6 failedJobsHistoryLimit:i*#7
JobTemplateSpec: metadata:ObjectMeta#1 spec:JobSpec#2
CronJobStatus: active:[ObjectReference]#1 lastScheduleTime:t*#4 lastSuccessfulTime:t*#5
CronJob: apiVersion:s kind:s metadata:ObjectMeta#1 spec:CronJobSpec#2 status:CronJobStatus#3
PolicyRule: verbs:[s]!#1 apiGroups:[s]#2 resources:[s]#3 resourceNames:[s]#4 nonResourceURLs:[s]#5
AggregationRule: clusterRoleSelectors:[LabelSelector]#1
ClusterRole: apiVersion:s kind:s metadata:ObjectMeta#1 rules:[PolicyRule]#2 aggregationRule:AggregationRule*#3
Role: apiVersion:s kind:s metadata:ObjectMeta#1 rules:[PolicyRule]#2
Subject: kind:s!#1 apiGroup:s#2 name:s!#3 namespace:s#4
RoleRef: apiGroup:s#1 kind:s!#2 name:s!#3
ClusterRoleBinding: apiVersion:s kind:s metadata:ObjectMeta#1 subjects:[Subject]#2 roleRef:RoleRef!#3
RoleBinding: apiVersion:s kind:s metadata:ObjectMeta#1 subjects:[Subject]#2 roleRef:RoleRef!#3
LeaseSpec: holderIdentity:s*#1 leaseDurationSeconds:i*#2 acquireTime:u*#3 renewTime:u*#4 leaseTransitions:i*#5 strategy:s*#6 preferredHolder:s*#7
Lease: apiVersion:s kind:s metadata:ObjectMeta#1 spec:LeaseSpec#2
IngressSpec: ingressClassName:s*#4 defaultBackend:IngressBackend*#1 tls:[IngressTLS]#2 rules:[IngressRule]#3
IngressBackend: service:IngressServiceBackend*#4 resource:TypedLocalObjectReference*#3
IngressServiceBackend: name:s!#1 port:ServiceBackendPort#2
ServiceBackendPort: name:s#1 number:i#2
IngressTLS: hosts:[s]#1 secretName:s#2
IngressRule: host:s#1 ^:IngressRuleValue#2
IngressRuleValue: http:HTTPIngressRuleValue*#1
HTTPIngressRuleValue: paths:[HTTPIngressPath]!#1
HTTPIngressPath: path:s#1 pathType:s*!#3 backend:IngressBackend!#2
IngressStatus: loadBalancer:IngressLoadBalancerStatus#1
IngressLoadBalancerStatus: ingress:[IngressLoadBalancerIngress]#1
IngressLoadBalancerIngress: ip:s#1 hostname:s#2 ports:[IngressPortStatus]#4
IngressPortStatus: port:i!#1 protocol:s!#2 error:s*#3
Ingress: apiVersion:s kind:s metadata:ObjectMeta#1 spec:IngressSpec#2 status:IngressStatus#3
IngressClassSpec: controller:s#1 parameters:IngressClassParametersReference*#2
IngressClassParametersReference: apiGroup:s*#1 kind:s!#2 name:s!#3 scope:s*#4 namespace:s*#5
IngressClass: apiVersion:s kind:s metadata:ObjectMeta#1 spec:IngressClassSpec#2
NetworkPolicySpec: podSelector:LabelSelector#1 ingress:[NetworkPolicyIngressRule]#2 egress:[NetworkPolicyEgressRule]#3 policyTypes:[s]#4
NetworkPolicyIngressRule: ports:[NetworkPolicyPort]#1 from:[NetworkPolicyPeer]#2
NetworkPolicyPort: protocol:s*#1 port:p*#2 endPort:i*#3
NetworkPolicyPeer: podSelector:LabelSelector*#1 namespaceSelector:LabelSelector*#2 ipBlock:IPBlock*#3
IPBlock: cidr:s!#1 except:[s]#2
NetworkPolicyEgressRule: ports:[NetworkPolicyPort]#1 to:[NetworkPolicyPeer]#2
NetworkPolicy: apiVersion:s kind:s metadata:ObjectMeta#1 spec:NetworkPolicySpec#2
PodDisruptionBudgetSpec: minAvailable:p*#1 selector:LabelSelector*#2 maxUnavailable:p*#3 unhealthyPodEvictionPolicy:s*#4
PodDisruptionBudgetStatus: observedGeneration:i#1 disruptedPods:{t}#2 disruptionsAllowed:i#3 currentHealthy:i#4 desiredHealthy:i#5 expectedPods:i#6 conditions:[Condition]@type#7
PodDisruptionBudget: apiVersion:s kind:s metadata:ObjectMeta#1 spec:PodDisruptionBudgetSpec#2 status:PodDisruptionBudgetStatus#3
DeleteOptions: apiVersion:s kind:s gracePeriodSeconds:i*#1 preconditions:Preconditions*#2 orphanDependents:b*#3 propagationPolicy:s*#4 dryRun:[s]#5 ignoreStoreReadErrorWithClusterBreakingPotential:b*#6
Preconditions: uid:s*#1 resourceVersion:s*#2
Eviction: apiVersion:s kind:s metadata:ObjectMeta#1 deleteOptions:DeleteOptions*#2
HorizontalPodAutoscalerSpec: scaleTargetRef:CrossVersionObjectReference!#1 minReplicas:i*#2 maxReplicas:i!#3 metrics:[MetricSpec]#4 behavior:HorizontalPodAutoscalerBehavior*#5
CrossVersionObjectReference: kind:s!#1 name:s!#2 apiVersion:s#3
MetricSpec: type:s!#1 object:ObjectMetricSource*#2 pods:PodsMetricSource*#3 resource:ResourceMetricSource*#4 containerResource:ContainerResourceMetricSource*#7 external:ExternalMetricSource*#5
ObjectMetricSource: describedObject:CrossVersionObjectReference!#1 target:MetricTarget!#2 metric:MetricIdentifier!#3
MetricTarget: type:s!#1 value:q*#2 averageValue:q*#3 averageUtilization:i*#4
MetricIdentifier: name:s!#1 selector:LabelSelector*#2
PodsMetricSource: metric:MetricIdentifier!#1 target:MetricTarget!#2
ResourceMetricSource: name:s!#1 target:MetricTarget!#2
ContainerResourceMetricSource: name:s!#1 target:MetricTarget!#2 container:s!#3
ExternalMetricSource: metric:MetricIdentifier!#1 target:MetricTarget!#2
HorizontalPodAutoscalerBehavior: scaleUp:HPAScalingRules*#1 scaleDown:HPAScalingRules*#2
HPAScalingRules: stabilizationWindowSeconds:i*#3 selectPolicy:s*#1 policies:[HPAScalingPolicy]#2 tolerance:q*#4
HPAScalingPolicy: type:s!#1 value:i!#2 periodSeconds:i!#3
HorizontalPodAutoscalerStatus: observedGeneration:i*#1 lastScaleTime:t*#2 currentReplicas:i#3 desiredReplicas:i!#4 currentMetrics:[MetricStatus]#5 conditions:[HorizontalPodAutoscalerCondition]@type#6
MetricStatus: type:s!#1 object:ObjectMetricStatus*#2 pods:PodsMetricStatus*#3 resource:ResourceMetricStatus*#4 containerResource:ContainerResourceMetricStatus*#7 external:ExternalMetricStatus*#5
ObjectMetricStatus: metric:MetricIdentifier!#1 current:MetricValueStatus!#2 describedObject:CrossVersionObjectReference!#3
MetricValueStatus: value:q*#1 averageValue:q*#2 averageUtilization:i*#3
PodsMetricStatus: metric:MetricIdentifier!#1 current:MetricValueStatus!#2
ResourceMetricStatus: name:s!#1 current:MetricValueStatus!#2
ContainerResourceMetricStatus: name:s!#1 current:MetricValueStatus!#2 container:s!#3
ExternalMetricStatus: metric:MetricIdentifier!#1 current:MetricValueStatus!#2
HorizontalPodAutoscalerCondition: type:s!#1 status:s!#2 lastTransitionTime:t#3 reason:s#4 message:s#5
HorizontalPodAutoscaler: apiVersion:s kind:s metadata:ObjectMeta#1 spec:HorizontalPodAutoscalerSpec#2 status:HorizontalPodAutoscalerStatus#3
ScaleSpec: replicas:i#1
ScaleStatus: replicas:i!#1 selector:s#2
Scale: apiVersion:s kind:s metadata:ObjectMeta#1 spec:ScaleSpec#2 status:ScaleStatus#3
TopologySelectorTerm: matchLabelExpressions:[TopologySelectorLabelRequirement]#1
TopologySelectorLabelRequirement: key:s!#1 values:[s]!#2
StorageClass: apiVersion:s kind:s metadata:ObjectMeta#1 provisioner:s!#2 parameters:{s}#3 reclaimPolicy:s*#4 mountOptions:[s]#5 allowVolumeExpansion:b*#6 volumeBindingMode:s*#7 allowedTopologies:[TopologySelectorTerm]#8
PriorityClass: apiVersion:s kind:s metadata:ObjectMeta#1 value:i#2 globalDefault:b#3 description:s#4 preemptionPolicy:s*#5
Endpoint: addresses:[s]@!#1 conditions:EndpointConditions#2 hostname:s*#3 targetRef:ObjectReference*#4 deprecatedTopology:{s}#5 nodeName:s*#6 zone:s*#7 hints:EndpointHints*#8
EndpointConditions: ready:b*#1 serving:b*#2 terminating:b*#3
EndpointHints: forZones:[ForZone]#1 forNodes:[ForNode]#2
ForZone: name:s!#1
ForNode: name:s!#1
EndpointPortDiscovery: name:s*#1 protocol:s*#2 port:i*#3 appProtocol:s*#4
EndpointSlice: apiVersion:s kind:s metadata:ObjectMeta#1 addressType:s!#4 endpoints:[Endpoint]#2 ports:[EndpointPortDiscovery]#3
SelfSubjectAccessReviewSpec: resourceAttributes:ResourceAttributes*#1 nonResourceAttributes:NonResourceAttributes*#2
ResourceAttributes: namespace:s#1 verb:s#2 group:s#3 version:s#4 resource:s#5 subresource:s#6 name:s#7 fieldSelector:FieldSelectorAttributes*#8 labelSelector:LabelSelectorAttributes*#9
FieldSelectorAttributes: rawSelector:s#1 requirements:[FieldSelectorRequirement]#2
FieldSelectorRequirement: key:s!#1 operator:s!#2 values:[s]#3
LabelSelectorAttributes: rawSelector:s#1 requirements:[LabelSelectorRequirement]#2
NonResourceAttributes: path:s#1 verb:s#2
SubjectAccessReviewStatus: allowed:b!#1 denied:b#4 reason:s#2 evaluationError:s#3
SelfSubjectAccessReview: apiVersion:s kind:s metadata:ObjectMeta#1 spec:SelfSubjectAccessReviewSpec!#2 status:SubjectAccessReviewStatus#3
SubjectAccessReviewSpec: resourceAttributes:ResourceAttributes*#1 nonResourceAttributes:NonResourceAttributes*#2 user:s#3 groups:[s]#4 extra:{[s]}#5 uid:s#6
SubjectAccessReview: apiVersion:s kind:s metadata:ObjectMeta#1 spec:SubjectAccessReviewSpec!#2 status:SubjectAccessReviewStatus#3
SelfSubjectRulesReviewSpec: namespace:s#1
SubjectRulesReviewStatus: resourceRules:[ResourceRule]!#1 nonResourceRules:[NonResourceRule]!#2 incomplete:b!#3 evaluationError:s#4
ResourceRule: verbs:[s]!#1 apiGroups:[s]#2 resources:[s]#3 resourceNames:[s]#4
NonResourceRule: verbs:[s]!#1 nonResourceURLs:[s]#2
SelfSubjectRulesReview: apiVersion:s kind:s metadata:ObjectMeta#1 spec:SelfSubjectRulesReviewSpec!#2 status:SubjectRulesReviewStatus#3
TokenReviewSpec: token:s#1 audiences:[s]#2
TokenReviewStatus: authenticated:b#1 user:UserInfo#2 audiences:[s]#4 error:s#3
UserInfo: username:s#1 uid:s#2 groups:[s]#3 extra:{[s]}#4
TokenReview: apiVersion:s kind:s metadata:ObjectMeta#1 spec:TokenReviewSpec!#2 status:TokenReviewStatus#3
TokenRequestSpec: audiences:[s]#1 expirationSeconds:i*#4 boundObjectRef:BoundObjectReference*#3
BoundObjectReference: kind:s#1 apiVersion:s#2 name:s#3 uid:s#4
TokenRequestStatus: token:s#1 expirationTimestamp:t#2
TokenRequest: apiVersion:s kind:s metadata:ObjectMeta#1 spec:TokenRequestSpec#2 status:TokenRequestStatus#3
SelfSubjectReviewStatus: userInfo:UserInfo#1
SelfSubjectReview: apiVersion:s kind:s metadata:ObjectMeta#1 status:SelfSubjectReviewStatus#2
`;
