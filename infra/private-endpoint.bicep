// Lifetime: that of the resource group. Without it the resource cannot be reached, because its public address is closed.
// Role: connects the network to one resource, and adds its DNS name.
// Reason: each module that closes a resource uses this module in the same way, so that no endpoint is forgotten.

@description('The name of the private endpoint.')
param name string

@description('The id of the resource it leads to.')
param targetId string

@description('Which part of the resource: `blob`, `vault`, `redisEnterprise` or `sites`.')
param part string

@description('The virtual network.')
param networkName string

@description('The subnet it takes its address from.')
param subnetName string

@description('The private DNS zone that its name goes into.')
param zoneName string

@description('The region.')
param location string

@description('Tags of the deployment.')
param tags { *: string }

resource network 'Microsoft.Network/virtualNetworks@2026-01-01' existing = {
  name: networkName

  resource subnet 'subnets' existing = {
    name: subnetName
  }
}

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' existing = {
  name: zoneName
}

resource endpoint 'Microsoft.Network/privateEndpoints@2026-01-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: {
      id: network::subnet.id
    }
    privateLinkServiceConnections: [
      {
        name: part
        properties: {
          privateLinkServiceId: targetId
          groupIds: [part]
        }
      }
    ]
  }

  resource zoneGroup 'privateDnsZoneGroups' = {
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: part
          properties: {
            privateDnsZoneId: zone.id
          }
        }
      ]
    }
  }
}
