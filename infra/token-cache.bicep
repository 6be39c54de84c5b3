// Lifetime: that of the resource group. No entry needs a backup: each ends with its token, after about an hour, and Entra
// issues another.
// Role: the second level of the token cache, which all instances of the API share: Azure Managed Redis without keys.
// Grants the access policy `default` (read and write data) to the API's identity alone.
// Reason: Redis uses access policies, so role assignments on the resource give no access to its data. The API seals
// each entry with a key that is derived from the caller's access token. Nobody can read an entry without that token.

import { place } from 'network.bicep'

@description('The one identity that may read and write, by name: that of the API.')
param writerIdentityName string

@description('The size. The smallest holds some 500 MB, about a hundred thousand tokens.')
param skuName string

@description('The name of the cache, unique in the region.')
param name string

@description('A place in a private network whose endpoint is the only access. null: open to every network.')
param network place?

@description('The DNS zone of private endpoints for caches.')
param zoneName string

@description('The region.')
param location string

@description('Tags of the deployment.')
param tags { *: string }

resource writer 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: writerIdentityName
}

resource cache 'Microsoft.Cache/redisEnterprise@2025-07-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: skuName
  }
  properties: {
    minimumTlsVersion: '1.2'
    // A Functions app without a virtual network does not reach a closed one.
    publicNetworkAccess: network == null ? 'Enabled' : 'Disabled'
    // A cache of what Entra can issue again needs no replica.
    highAvailability: 'Disabled'
  }

  resource database 'databases' = {
    name: 'default'
    properties: {
      clientProtocol: 'Encrypted'
      port: 10000
      // One endpoint for every client. The cluster is hidden.
      clusteringPolicy: 'EnterpriseCluster'
      // Every entry has its own end. When the cache is full, the least recently used entry is removed first.
      evictionPolicy: 'VolatileLRU'
      accessKeysAuthentication: 'Disabled'
    }

    resource writerPolicy 'accessPolicyAssignments' = {
      // Letters and digits only, so no guid.
      name: uniqueString(writer.id)
      properties: {
        accessPolicyName: 'default'
        user: {
          objectId: writer.properties.principalId
        }
      }
    }
  }
}

module endpoint 'private-endpoint.bicep' = if (network != null) {
  params: {
    name: 'pep-${cache.name}'
    targetId: cache.id
    part: 'redisEnterprise'
    networkName: network!.network
    subnetName: network!.endpointSubnet
    zoneName: zoneName
    location: location
    tags: tags
  }
}

@description('The host name.')
output hostName string = cache.properties.hostName
@description('The port, TLS only.')
output port int = cache::database.properties.port
