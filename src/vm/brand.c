/* brand.c */
typedef int vmnode_vm_brand;
